"""Operations: how what a constructor did to a tensor is written, as the name of a function and its arguments."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from raynas.errors import SerializationError
from raynas.nn.tape import Event
from raynas.pytorch.names import name_of

BINARY = (
    *("getitem", "setitem", "add", "sub", "mul", "truediv", "floordiv", "pow", "matmul", "neg", "mod"),
    *("and_", "or_", "xor", "invert", "lt", "le", "gt", "ge", "eq", "ne"),
)
OPERATORS = {f"__{name.strip('_')}__": f"operator.{name}" for name in BINARY}
WRITTEN = {
    "mul": ("operator.mul", 2),
    "add": ("operator.add", 2),
    "sub": ("operator.sub", 2),
    "div": ("operator.truediv", 2),
    "matmul": ("operator.matmul", 2),
    "neg": ("operator.neg", 1),
}
"""Methods of tensors that are mostly written as operators, and how many arguments they then have."""

REFLECTED = {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rsub__": "sub",
    "__rpow__": "pow",
    "__rtruediv__": "truediv",
    "__rdiv__": "truediv",
    "__rfloordiv__": "floordiv",
    "__rmatmul__": "matmul",
}


class Untold(Exception):
    """Something in a constructor cannot be written as source; the message says what."""


def is_named(event: Event, name: str) -> bool:
    """Whether the function of an event has a name: `__get__` reads an attribute of a tensor."""
    return getattr(event.function, "__name__", "") == name


def operation(event: Event) -> tuple[str, tuple[Any, ...]]:
    """The qualified name of an event's function, or `.method`, and the positional arguments.

    Raises:
        Untold: it has no name.
    """
    function, args = event.function, event.args
    if isinstance(function, str):
        return f".{function}", args
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return "builtins.getattr", (args[0], function.__self__.__name__)
    if name in OPERATORS:
        return OPERATORS[name], args
    if name in REFLECTED:
        return f"operator.{REFLECTED[name]}", args[::-1]
    if name.startswith("__"):
        raise Untold(f"it calls {name} of a tensor")
    if name in WRITTEN and len(args) == WRITTEN[name][1] and not event.kwargs:
        return WRITTEN[name][0], args
    try:
        return _name_of(function), args
    except SerializationError as error:
        raise Untold(str(error)) from None


def in_words(event: Event | None) -> str:
    """What a constructor calls, as a message says it."""
    if event is None:
        return "a function"
    try:
        name = operation(event)[0]
    except Untold:
        name = getattr(event.function, "__name__", "")
    return f"{name.removeprefix('.').removeprefix('operator.')}()" if name else "a function"


@lru_cache(maxsize=1024)
def _name_of(function: Any) -> str:
    name = getattr(function, "__name__", "")
    if getattr(torch.Tensor, name, None) is function or "TensorBase" in getattr(function, "__qualname__", ""):
        return f".{name}"
    return f"torch.{name}" if vars(torch).get(name) is function else name_of(function)
