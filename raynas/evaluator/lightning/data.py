"""Data: what may be given as training or validation data, and the loaders made of it."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy
import torch
from torch import Tensor
from torch.utils import data as torch_data

from raynas.errors import ConfigError, Notice, SerializationError
from raynas.evaluator.lightning.seeding import seed_all
from raynas.serializer import dumps
from raynas.serializer.buffers import tensor_of

KEPT = 4
"""How many built recipes a process keeps: those of a choice among data sets, without growing for ever."""

_built: OrderedDict[str, tuple[Any, tuple[Any, Any]]] = OrderedDict()
_lock = threading.Lock()


class Rows(torch_data.Dataset[tuple[Tensor, ...]]):
    """Tensors of equal length, read a batch at a time by indexing instead of row by row.

    What is read is a copy, its floating-point numbers in torch's default dtype: the tensors themselves, which may lie
    in memory that all workers share, are neither copied nor written to.
    """

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(_as_usual(tensor[index]).clone() for tensor in self.tensors)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        rows = torch.tensor(indices)
        return tuple(_as_usual(tensor[rows]) for tensor in self.tensors)


def as_is(batch: Any) -> Any:
    """A collate function for data that comes in batches already."""
    return batch


def dataset(data: Any, name: str) -> Any:
    """`data` as something that `loader` takes.

    Args:
        data: a `DataLoader` or other iterable over batches, or a dataset, which stay as they are; or a tuple of arrays
            or tensors of equal length (floating-point ones become torch's default dtype).
        name: what to call it in errors.
    """
    if isinstance(data, torch_data.TensorDataset):
        data = data.tensors
    if isinstance(data, tuple | list) and data and all(_is_array(part) for part in data):
        rows = Rows(*(_tensor(part) for part in data))
        lengths = [len(tensor) for tensor in rows.tensors]
        if len(set(lengths)) > 1:
            raise ConfigError(f"{name} holds arrays of {lengths} rows: give as many targets as inputs")
        if not len(rows):
            raise ConfigError(f"{name} has no rows: give it some")
        return rows
    if (
        _is_array(data)
        or isinstance(data, tuple | dict | str)
        or not hasattr(data, "__getitem__" if _sized(data) else "__iter__")
    ):
        raise ConfigError(
            f"{name} is a {type(data).__name__}: give a DataLoader, a dataset, or a tuple (inputs, targets) of arrays"
        )
    return data


def loader(data: Any, batch_size: int, shuffle: bool) -> Any:
    """An iterable over batches of what `dataset` returned.

    Args:
        data: a loader stays as it is; a dataset gets a `DataLoader`.
        batch_size: rows in a batch, where it is not a loader's own business.
        shuffle: whether each epoch goes through the rows in another order; for datasets of known length, in training.
    """
    if isinstance(data, torch_data.IterableDataset):
        return torch_data.DataLoader(data, batch_size=batch_size)
    if isinstance(data, torch_data.DataLoader) or not hasattr(data, "__getitem__"):
        return data
    # A last batch of a single row is left out of training: batch normalisation cannot learn from it.
    lone = shuffle and len(data) % batch_size == 1 and len(data) > 1
    collate = as_is if isinstance(data, Rows) else None
    return torch_data.DataLoader(data, batch_size=batch_size, shuffle=shuffle, drop_last=lone, collate_fn=collate)


def _sized(data: Any) -> bool:
    return hasattr(data, "__len__") and not isinstance(data, torch_data.DataLoader)


def _is_array(part: Any) -> bool:
    return isinstance(part, Tensor | numpy.ndarray)


def _tensor(part: Any) -> Tensor:
    return part if isinstance(part, Tensor) else cast(Tensor, tensor_of(numpy.ascontiguousarray(part)))


def _as_usual(tensor: Tensor) -> Tensor:
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


def built(recipe: Callable[[], Any]) -> tuple[Any, Any]:
    """The training and validation datasets that `recipe()` returns; one recipe is followed once per process.

    A recipe that draws random numbers (for a split, say) draws the same ones in every process.
    """
    key = _key(recipe)
    with _lock:
        if key not in _built:
            with fixed_randomness():
                made = recipe()
            if not isinstance(made, tuple | list) or len(made) != 2:
                raise ConfigError(f"the data recipe {recipe!r} returned no pair: return (training, validation) data")
            train = dataset(made[0], f"the training data of the recipe {recipe!r}")
            val = None if made[1] is None else dataset(made[1], f"the validation data of the recipe {recipe!r}")
            _built[key] = (recipe, (train, val))  # the recipe is kept, too: a key made of its id stays its own
            while len(_built) > KEPT:
                _built.popitem(last=False)
        _built.move_to_end(key)
        return _built[key][1]


def _key(recipe: Callable[[], Any]) -> str:
    attachments: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)
            text = dumps(recipe, attachments)
    except SerializationError:
        return f"id {id(recipe)}"
    digest = hashlib.blake2b(text.encode())
    for name, content in attachments.items():
        digest.update(name.encode())
        digest.update(content)
    return digest.hexdigest()


@contextlib.contextmanager
def fixed_randomness() -> Iterator[None]:
    """Within it, the same numbers are drawn every time; after it, those that would have been drawn before."""
    before = random.getstate(), numpy.random.get_state(), torch.random.get_rng_state()
    try:
        seed_all(0)
        yield
    finally:
        random.setstate(before[0])
        numpy.random.set_state(before[1])
        torch.random.set_rng_state(before[2])
