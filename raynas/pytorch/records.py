"""Records: plain objects among a constructor's arguments, such as configurations, as the call that makes them again."""

from __future__ import annotations

import argparse
import inspect
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy
from torch import Tensor, nn

from raynas.errors import SerializationError
from raynas.pytorch.names import name_of
from raynas.pytorch.outside import generators, restore
from raynas.serializer import Call
from raynas.serializer.call import KEY

SPACES = (types.SimpleNamespace, argparse.Namespace)
"""Classes whose objects are nothing but their attributes."""

FOREIGN = (nn.Module, Tensor, numpy.ndarray, numpy.generic, type, types.ModuleType)
"""What is no record though it has attributes."""

PLAIN = (bool, int, float, str, tuple, list, dict)

EMPTY = inspect.Parameter.empty


class _Held(NamedTuple):
    """What an object holds: its attributes, and the items of one that is a dict, too."""

    attributes: Mapping[str, Any]
    items: Mapping[Any, Any]


def record_of(value: Any) -> Call | None:
    """The call of its class that makes an object again, each attribute passed by its name; None where none does.

    That is tried, and the new object compared with the old one: a class may keep what it was passed under another
    name, or compute the rest.
    """
    kind = type(value)
    if isinstance(value, FOREIGN) or (not hasattr(value, "__dict__") and not is_dataclass(kind)):
        return Call(kind, tuple(value)) if isinstance(value, tuple) and hasattr(kind, "_fields") else None
    try:
        name_of(kind)
    except SerializationError:
        return None
    held = _held(value)
    passed = held.attributes if kind in SPACES else _passed(kind, {**held.attributes, **held.items})
    if passed is None or not all(isinstance(name, str) and name.isidentifier() for name in passed):
        return None
    call = Call(kind, (), passed)
    if kind in SPACES or _is_trusted(value):
        return call
    state = generators()
    try:
        made = kind(**passed)
        if _same(made, value):
            return call
        more = {**passed, **_set_by_properties(made, value)}
        return Call(kind, (), more) if len(more) > len(passed) and _same(kind(**more), value) else None
    except Exception:  # whatever a user's class raises
        return None
    finally:
        restore(state)


def _held(value: Any) -> _Held:
    own = {name: item for name, item in getattr(value, "__dict__", {}).items() if name != KEY}
    if is_dataclass(value):
        own = {field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)} | own
    return _Held(own, dict(value) if isinstance(value, dict) else {})


def _passed(kind: type, known: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The arguments of a class's call by name, as what its object holds tells them; None where some are not known."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return None
    passed: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            return {**passed, **{name: item for name, item in known.items() if name not in passed}}
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.name in known and parameter.kind is not parameter.POSITIONAL_ONLY:
            passed[parameter.name] = known[parameter.name]
        elif parameter.default is EMPTY:
            return None
    return passed


def _set_by_properties(made: Any, value: Any) -> dict[str, Any]:
    """What differs and can be set by a property: a class may take it under that name, and keep it under another."""
    found: dict[str, Any] = {}
    for base in type(value).__mro__:
        for name, item in vars(base).items():
            if isinstance(item, property) and item.fset is not None:
                with suppress(Exception):  # whatever a user's property raises
                    wanted = getattr(value, name)
                    if isinstance(wanted, PLAIN) and not _same(getattr(made, name), wanted):
                        found[name] = wanted
    return found


def _is_trusted(value: Any) -> bool:
    """Whether it is a dataclass's that keeps what it was passed, and nothing else."""
    kind = type(value)
    if not is_dataclass(value) or hasattr(kind, "__post_init__") or "__init__" not in vars(kind):
        return False
    names = {field.name for field in fields(value)}
    return all(field.init for field in fields(value)) and set(_held(value).attributes) <= names


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of one kind, down to the attributes of objects."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Mapping):
        if list(one) != list(other) or not all(one[key] is one or _same(one[key], other[key]) for key in one):
            return False
    elif isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    elif not hasattr(one, "__dict__"):
        return bool(one == other)
    if getattr(one, "__dict__", one) is one:
        return True
    mine, its = _held(one).attributes, _held(other).attributes
    return mine.keys() == its.keys() and all(_same(mine[name], its[name]) for name in mine)
