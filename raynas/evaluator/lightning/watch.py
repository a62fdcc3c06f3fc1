"""Watch: the callback that passes on each epoch's metrics, and ends the training when told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raynas.errors import RaynasError, TrialStopped
from raynas.evaluator.lightning.epochs import Epochs
from raynas.evaluator.lightning.spawned import Hear, Relay
from raynas.evaluator.lightning.state import PATH
from raynas.evaluator.metrics import checked


class Watch(Epochs):
    """Tells the search of every epoch.

    Args:
        seed: the trial's seed.
        hear: takes each epoch's metrics; a `Relay` where the training runs in processes of its own.
    """

    def __init__(self, seed: int, hear: Hear) -> None:
        super().__init__(seed)
        self.hear = hear
        self.stopped: TrialStopped | None = None

    def ended(self, trainer: Any, module: Any, metrics: Mapping[str, Any]) -> None:
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
