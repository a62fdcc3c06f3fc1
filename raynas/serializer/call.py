"""Call: how an object was made, kept with the object."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from raynas.errors import SerializationError
from raynas.search_space import expression

T = TypeVar("T")

KEY = "_raynas_call"
"""Under this name an object's `__dict__` holds its call: so copies and pickles of the object keep it."""

RECORDED: set[str] = set()
"""Qualified names of all that was recorded in this process: what `loads` may call."""

_beside: dict[int, tuple[weakref.ref[Any], Call]] = {}


@dataclass(frozen=True, eq=False)
class Call:
    """A class or function and the arguments with which it was called, as passed."""

    target: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> Call:
        return self  # it is immutable, and a copied object was made the same way

    def __call__(self) -> Any:
        """Make the object again; its choices at their defaults."""
        args, kwargs = settled(self.args, self.kwargs)
        return self.target(*args, **kwargs)


def snapshot(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """`value` with its lists, dicts and sets copied, so that later changes to them do not reach the record.

    What is one object in `value` is one in the copy.
    """
    memo = {} if memo is None else memo
    kind = type(value)
    if kind not in (list, tuple, set, frozenset, dict):
        return value
    if id(value) not in memo:
        if kind is dict:
            memo[id(value)] = {key: snapshot(item, memo) for key, item in value.items()}
        else:
            memo[id(value)] = kind(snapshot(item, memo) for item in value)
    return memo[id(value)]


def settled(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with their choices at their defaults; the very ones that were passed where there is no choice."""
    if next(expression.leaves((args, dict(kwargs))), None) is None:
        return args, dict(kwargs)
    return expression.defaults(args), expression.defaults(dict(kwargs))


def name_of(target: Any) -> str:
    return f"{target.__module__}.{target.__qualname__}"


def record(obj: Any, target: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """Keep with `obj` that `target(*args, **kwargs)` made it."""
    memo: dict[int, Any] = {}
    call = Call(target, snapshot(args, memo), snapshot(dict(kwargs), memo))
    RECORDED.add(name_of(target))
    slot = getattr(obj, "__dict__", None)
    if isinstance(slot, dict):
        slot[KEY] = call
        return call
    key = id(obj)
    try:
        _beside[key] = (weakref.ref(obj, lambda _: _beside.pop(key, None)), call)
    except TypeError:
        raise SerializationError(
            f"{name_of(target)} made a {type(obj).__name__}, which cannot remember how it was made: "
            "return an object of a class of your own"
        ) from None
    return call


def call_of(obj: Any) -> Call | None:
    """The call that made `obj`; None where it was not recorded."""
    slot = getattr(obj, "__dict__", None)
    if isinstance(slot, dict):
        call = slot.get(KEY)
        return call if isinstance(call, Call) else None
    found = _beside.get(id(obj))
    return found[1] if found is not None and found[0]() is obj else None


def serialize(target: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call `target`, and keep the call with the object that it returns.

    Where an argument holds a choice, the object is made with the choice's default, and the call keeps the choice.

    >>> from types import SimpleNamespace
    >>> call_of(serialize(SimpleNamespace, width=3)).kwargs
    {'width': 3}
    """
    try:
        given, named = settled(args, kwargs)
    except RecursionError:
        raise SerializationError(
            f"an argument of {name_of(target)} holds itself, or is nested too deeply to be written down: make it in a "
            "function, with raynas.serialize(function_that_makes_it)"
        ) from None
    obj = target(*given, **named)
    record(obj, target, args, kwargs)
    return obj


def serialize_cls(cls: type[T]) -> type[T]:
    """Class decorator: every construction of the class keeps its call.

    The class stays itself: only its `__init__` is wrapped, signature and all. A subclass with an `__init__` of its own
    is not recorded unless it is decorated, too.
    """
    original = cls.__init__
    if not cls.__dictoffset__ and not cls.__weakrefoffset__:
        raise SerializationError(
            f"{name_of(cls)} has no room to remember how it was made: leave out __slots__, and derive from no tuple"
        )

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self).__init__ is __init__:
            record(self, type(self), args, kwargs)
            args, kwargs = settled(args, kwargs)
        makes: Any = type(self).__new__
        if original is object.__init__ and makes is not object.__new__:
            return  # what takes the arguments is __new__, which has done so
        original(self, *args, **kwargs)

    cls.__init__ = __init__  # type: ignore[method-assign]  # the point of the decorator
    RECORDED.add(name_of(cls))
    return cls
