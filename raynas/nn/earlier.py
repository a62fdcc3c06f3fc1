"""Earlier: what objects among a constructor's arguments held when they were passed.

A constructor may write to the configuration that it is given, and a loop may change one between two layers. To make a
layer again is to pass what was passed then, not what has become of it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy
from torch import Tensor, nn

from raynas.search_space import Expression
from raynas.serializer.call import KEY

Memo = dict[int, tuple[Any, Any]]
"""By the id of an object: the object itself, which keeps the id its own, and what was made of it."""

_CONTAINERS = (list, tuple, dict)
_SCALARS = frozenset({bool, int, float, complex, str, bytes, type(None)})
_WHOLE = (
    nn.Module,
    Tensor,
    numpy.ndarray,
    Expression,
    Enum,
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
)
"""What is no configuration though it has attributes."""

MOST = 1000
"""Of so many objects and containers a picture is taken; the others in a call's arguments are shared with it."""


def pictured(value: Any, memo: Memo | None = None) -> Any:
    """A copy of `value` down through its containers and its objects of Python classes; all else is shared.

    Returns `value` itself where it is, or holds, no such object.
    """
    memo = {} if memo is None else memo
    kind = type(value)
    if kind in _SCALARS:
        return value
    if id(value) in memo:
        return memo[id(value)][1]
    if len(memo) >= MOST:
        return value
    if kind in _CONTAINERS:
        items = list(value.values()) if kind is dict else list(value)
        memo[id(value)] = value, value  # where it holds itself
        made = [pictured(item, memo) for item in items]
        if kind is list or kind is dict or any(new is not old for new, old in zip(made, items, strict=True)):
            memo[id(value)] = value, dict(zip(value, made, strict=True)) if kind is dict else kind(made)
    elif kind is set:
        memo[id(value)] = value, set(value)
    elif is_configuration(value):
        copy = _blank(value)
        memo[id(value)] = value, copy
        _fill(copy, value, memo)
    else:
        return value
    return memo[id(value)][1]


def as_passed(value: Any, then: Any, late: list[Any], memo: Memo | None = None) -> Any:
    """`value`, with the pictures of those objects in it that have changed since they were taken.

    Args:
        value: what a record holds: its containers are those of the call, its objects those that lived on.
        then: its picture.
        late: gets the objects that have changed.
        memo: of this call.
    """
    if value is then:
        return value
    memo = {} if memo is None else memo
    if id(then) in memo:
        return memo[id(then)][1]
    if type(value) in _CONTAINERS:
        memo[id(then)] = then, value
        if type(value) is dict:
            made: Any = {key: as_passed(item, then[key], late, memo) for key, item in value.items()}
        else:
            pairs = zip(value, then, strict=True)
            made = type(value)(as_passed(item, other, late, memo) for item, other in pairs)
        memo[id(then)] = then, made
    elif is_configuration(value) and not _unchanged(value, then, {}):
        memo[id(then)] = then, then
        late.append(value)
    else:
        memo[id(then)] = then, value
    return memo[id(then)][1]


def is_configuration(value: Any) -> bool:
    """Whether an object is of a class written in Python, and can be copied without running the class's own code."""
    kind = type(value)
    if isinstance(value, _WHOLE) or not isinstance(getattr(value, "__dict__", None), dict):
        return False
    if any("__slots__" in vars(base) and vars(base)["__slots__"] for base in kind.__mro__):
        return False
    return _maker(kind) in (object, dict, list, types.SimpleNamespace)


def _maker(kind: type) -> Any:
    """The class whose `__new__`, not written in Python, makes the objects of another."""
    news = ((base, vars(base).get("__new__")) for base in kind.__mro__)
    return next(base for base, new in news if new is not None and not isinstance(new, staticmethod))


def _blank(value: Any) -> Any:
    return _maker(type(value)).__new__(type(value))


def _fill(copy: Any, value: Any, memo: Memo) -> None:
    if isinstance(value, dict):
        for key, item in dict.items(value):
            dict.__setitem__(copy, key, pictured(item, memo))
    elif isinstance(value, list):
        list.extend(copy, [pictured(item, memo) for item in list.__iter__(value)])
    vars(copy).update({name: pictured(item, memo) for name, item in vars(value).items() if name != KEY})


def _unchanged(now: Any, then: Any, seen: dict[int, Any]) -> bool:
    """Whether an object holds what its picture holds."""
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if id(then) in seen:
        return seen[id(then)] is now
    seen[id(then)] = now
    if isinstance(now, dict):
        same = _alike(dict(dict.items(now)), dict(dict.items(then)), seen)
    elif isinstance(now, list | tuple):
        same = len(now) == len(then) and all(_unchanged(*pair, seen) for pair in zip(now, then, strict=True))
    elif isinstance(now, set | frozenset) or type(now) in _SCALARS:
        same = now == then
    else:
        same = is_configuration(now)
    own = getattr(now, "__dict__", None)
    return bool(same) and (own is None or own is now or _alike(own, vars(then), seen))


def _alike(now: Mapping[Any, Any], then: Mapping[Any, Any], seen: dict[int, Any]) -> bool:
    mine = {key: item for key, item in now.items() if key != KEY}
    return list(mine) == list(then) and all(_unchanged(item, then[key], seen) for key, item in mine.items())
