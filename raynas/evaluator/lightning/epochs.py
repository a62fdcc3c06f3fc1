"""Epochs: the callback that seeds each epoch, and takes its metrics when it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raynas.evaluator.lightning.seeding import seed_epoch


class Epochs:
    """To Lightning it is a checkpoint callback, of which it has the methods: those run last, when all has been logged.

    Args:
        seed: the training's.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._validated = False

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self._validated = False
        seed_epoch(self.seed, trainer.current_epoch, loaders_of(trainer), trainer.global_rank)

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self._validated = self._validated or not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        if not self._validated and trainer.enable_validation:
            return  # what an earlier epoch's validation logged is not this epoch's
        self.ended(trainer, module, {**trainer.callback_metrics, **getattr(module, "measured", {})})

    def ended(self, trainer: Any, module: Any, metrics: Mapping[str, Any]) -> None:
        """Take the metrics of an epoch that was judged; called in every process of the training."""


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
