"""Watch: the callback that seeds each epoch, passes on its metrics, and ends the training when told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from raynas.errors import RaynasError, TrialStopped
from raynas.evaluator.lightning.seeding import seed_epoch
from raynas.evaluator.lightning.spawned import Hear, Relay
from raynas.evaluator.lightning.state import PATH
from raynas.evaluator.metrics import checked

if TYPE_CHECKING:
    from pytorch_lightning.callbacks import Checkpoint as Base
else:
    Base = object  # which Lightning it is, is known at run time: see packages.class_for


class Watch(Base):
    """To Lightning it is a checkpoint callback: those run last, when everything has been logged.

    Args:
        seed: the trial's seed.
        hear: takes each epoch's metrics; a `Relay` where the training runs in processes of its own.
    """

    def __init__(self, seed: int, hear: Hear) -> None:
        self.seed = seed
        self.hear = hear
        self.stopped: TrialStopped | None = None
        self._validated = False

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self._validated = False
        seed_epoch(self.seed, trainer.current_epoch, loaders_of(trainer), trainer.global_rank)

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self._validated = self._validated or not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        if not self._validated and trainer.enable_validation:
            return  # what an earlier epoch's validation logged is not this epoch's
        metrics = {**trainer.callback_metrics, **getattr(module, "measured", {})}  # every rank asks: they add them up
        self.stopped = trainer.strategy.broadcast(self._verdict(trainer, module, metrics))
        if self.stopped is not None:
            # The epoch ends in order, so that loggers are closed and the state that is left can be trained on.
            trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None
            trainer.should_stop = True

    def _verdict(self, trainer: Any, module: Any, metrics: Mapping[str, Any]) -> TrialStopped | None:
        if not trainer.is_global_zero:
            return None
        try:
            self.hear(trainer.current_epoch, checked(metrics, source=type(module).__qualname__))
        except TrialStopped as stopped:
            return stopped
        except RaynasError as error:
            if isinstance(self.hear, Relay):
                self.hear.fail(error)
            raise
        return None

    def on_train_end(self, trainer: Any, module: Any) -> None:
        if isinstance(self.hear, Relay):
            trainer.save_checkpoint(PATH)
            if trainer.is_global_zero:
                self.hear.leave(trainer.strategy.checkpoint_io.checkpoint)


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
