"""Watch: the callback that seeds each epoch, keeps its metrics, reports them, and ends the training when told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raynas.errors import TrialStopped
from raynas.evaluator.lightning.progress import Progress
from raynas.evaluator.lightning.seeding import seed_epoch
from raynas.evaluator.metrics import checked

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import Checkpoint as Base
else:
    Base = object  # which Lightning it is, is known at run time: see packages.class_for

Report = Callable[[Mapping[str, float], int], None]


class Watch(Base):
    """To Lightning it is a checkpoint callback: those run last, when everything has been logged.

    Args:
        seed: the trial's seed.
        progress: takes each epoch's metrics.
        report: `Context.report`.
    """

    def __init__(self, seed: int, progress: Progress, report: Report) -> None:
        self.seed = seed
        self.progress = progress
        self.report = report
        self.stopped: TrialStopped | None = None
        self._validated = False

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self._validated = False
        seed_epoch(self.seed, trainer.current_epoch, loaders_of(trainer))

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self._validated = self._validated or not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        if not self._validated and trainer.enable_validation:
            return  # what an earlier epoch's validation logged is not this epoch's
        metrics = {**trainer.callback_metrics, **getattr(module, "measured", {})}
        result = self.progress.add(trainer.current_epoch, checked(metrics, source=type(module).__qualname__))
        try:
            self.report(result, trainer.current_epoch)
        except TrialStopped as stopped:
            # The epoch ends in order, so that loggers are closed and the state that is left can be trained on.
            self.stopped = stopped
            trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None
            trainer.should_stop = True


def loaders_of(trainer: Any) -> Iterator[Any]:
    """The data loaders that a Trainer has been given, one by one."""
    for found in (trainer.train_dataloader, trainer.val_dataloaders):
        yield from flattened(found)


def flattened(loaders: Any) -> Iterator[Any]:
    """The loaders in a loader, or in a list or dict of loaders."""
    if isinstance(loaders, Mapping):
        for loader in loaders.values():
            yield from flattened(loader)
    elif isinstance(loaders, list | tuple):
        for loader in loaders:
            yield from flattened(loader)
    elif loaders is not None:
        yield loaders
