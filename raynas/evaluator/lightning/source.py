"""Source: where training and validation data come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from raynas.errors import ConfigError
from raynas.evaluator.lightning.batches import inputs_and_target
from raynas.evaluator.lightning.data import built, dataset
from raynas.evaluator.lightning.rows import loader
from raynas.evaluator.lightning.seeding import fixed_randomness


@dataclass(frozen=True)
class Source:
    """Data, or the recipe for it.

    Attributes:
        train: what to train on, as `data.dataset` returns it; None: the recipe says.
        val: what to judge by.
        recipe: returns a pair of both.
        batch_size: rows in a batch, where the data is not a loader.
    """

    train: Any
    val: Any
    recipe: Callable[[], Any] | None
    batch_size: int

    @classmethod
    def of(cls, train: Any, val: Any, recipe: Callable[[], Any] | None, batch_size: int, needed: bool = True) -> Source:
        """The source for what a user gave; `ConfigError` where it is too much, too little or of no use."""
        if not isinstance(batch_size, Integral) or isinstance(batch_size, bool) or batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size!r}: give a whole number from 1 on")
        if recipe is not None:
            if train is not None or val is not None:
                raise ConfigError(
                    "the evaluator was given data twice: leave out 'data', or train_dataloaders and val_dataloaders"
                )
            if not callable(recipe):
                raise ConfigError(
                    f"data is a {type(recipe).__name__}: give a function that returns (training, validation) data"
                )
            return cls(None, None, recipe, batch_size)
        if train is None or (val is None and needed):
            missing = "train_dataloaders" if train is None else "val_dataloaders"
            raise ConfigError(f"the evaluator was given no {missing}: give it, or 'data' for both")
        made = None if val is None else dataset(val, "val_dataloaders")
        return cls(dataset(train, "train_dataloaders"), made, None, batch_size)

    def _parts(self) -> tuple[Any, Any]:
        return (self.train, self.val) if self.recipe is None else built(self.recipe)

    def loaders(self) -> dict[str, Any]:
        """The data as arguments of `Trainer.fit`."""
        train, val = self._parts()
        judge = None if val is None else loader(val, self.batch_size, shuffle=False)
        return {"train_dataloaders": loader(train, self.batch_size, shuffle=True), "val_dataloaders": judge}

    def example_inputs(self) -> tuple[Any, ...] | None:
        """The inputs of a batch of the training data, as arguments of the model; None where they cannot be told."""
        return first_inputs(loader(self._parts()[0], self.batch_size, shuffle=False))


def first_inputs(batches: Any) -> tuple[Any, ...] | None:
    """The inputs of the first batch, where a batch is inputs and a target; else None."""
    batch = first_batch(batches) if hasattr(batches, "__iter__") else None
    return inputs_and_target(batch)[0] if isinstance(batch, tuple | list) and len(batch) > 1 else None


def first_batch(loader: Any) -> Any:
    """The first batch of `loader`, in the order of its data and without disturbing any random state."""
    rows = getattr(loader, "dataset", None)
    with fixed_randomness():
        if (
            rows is None
            or loader.batch_sampler is None
            or not hasattr(rows, "__getitem__")
            or not hasattr(rows, "__len__")
        ):
            return next(iter(loader))
        indices = list(range(min(loader.batch_size or 1, len(rows))))
        if not indices:
            raise ConfigError(f"the data is an empty {type(rows).__name__}: give rows to train on")
        if hasattr(rows, "__getitems__"):
            return loader.collate_fn(rows.__getitems__(indices))
        return loader.collate_fn([rows[index] for index in indices])
