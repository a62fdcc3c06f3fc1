"""Watch: the callback that passes on each epoch's metrics, and ends the training when told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from raynas.errors import RaynasError, TrialStopped
from raynas.evaluator.lightning.epochs import Epochs
from raynas.evaluator.lightning.spawned import Hear, Relay
from raynas.evaluator.lightning.state import PATH, between
from raynas.evaluator.metrics import checked

Save = Callable[[Mapping[str, Any]], None]

RARELY = 10.0
"""How much longer the training goes on than a save took, before the next: where epochs take no time, not each is saved.
"""


class Watch(Epochs):
    """Tells the search of every epoch.

    Args:
        seed: the trial's seed.
        hear: takes each epoch's metrics; a `Relay` where the training runs in processes of its own.
        save: takes Lightning's checkpoint after an epoch that is not the last one; None: nobody wants it.
        first: the epoch with which this attempt begins.
    """

    def __init__(self, seed: int, hear: Hear, save: Save | None = None, first: int = 0) -> None:
        super().__init__(seed)
        self.hear = hear
        self._save = save
        self._first = first
        self._due = 0.0
        self.stopped: TrialStopped | None = None

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        # Here, and not at the last epoch's end, because only now all has been done that belongs to that one.
        if self._save is not None and trainer.current_epoch > self._first and time.monotonic() >= self._due:
            begun = time.monotonic()
            trainer.save_checkpoint(PATH)
            self._save(between(trainer.strategy.checkpoint_io.checkpoint))
            now = time.monotonic()
            self._due = now + RARELY * (now - begun)
        super().on_train_epoch_start(trainer, module)

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
