"""Data: what may be given as training or validation data, and the loaders made of it."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch.utils import data as torch_data

from raynas.errors import ConfigError, Notice, SerializationError
from raynas.evaluator.lightning.rows import Rows, is_array, prepared
from raynas.evaluator.lightning.seeding import fixed_randomness
from raynas.serializer import dumps

KEPT = 4
"""How many built recipes a process keeps: those of a choice among data sets, without growing for ever."""

_built: OrderedDict[str, tuple[Any, tuple[Any, Any]]] = OrderedDict()
_lock = threading.Lock()


def dataset(data: Any, name: str) -> Any:
    """`data` as something that `loader` takes.

    Args:
        data: a `DataLoader` or other iterable over batches, or a dataset, which stay as they are; or a tuple of arrays
            or tensors of equal length (floating-point ones become torch's default dtype).
        name: what to call it in errors.
    """
    rows = prepared(data)
    if isinstance(rows, Rows):
        lengths = [len(tensor) for tensor in rows.tensors]
        if len(set(lengths)) > 1:
            raise ConfigError(f"{name} holds arrays of {lengths} rows: give as many targets as inputs")
        if not len(rows):
            raise ConfigError(f"{name} has no rows: give it some")
        return rows
    if (
        is_array(data)
        or isinstance(data, tuple | dict | str)
        or not hasattr(data, "__getitem__" if _sized(data) else "__iter__")
    ):
        raise ConfigError(
            f"{name} is a {type(data).__name__}: give a DataLoader, a dataset, or a tuple (inputs, targets) of arrays"
        )
    return data


def _sized(data: Any) -> bool:
    return hasattr(data, "__len__") and not isinstance(data, torch_data.DataLoader)


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
