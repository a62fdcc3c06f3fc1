"""Texts: values of the IR written down exactly, so that they can be compared across graphs and processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raynas.serializer import Encoder

PLAIN = frozenset({int, str, bool, float, type(None)})


SURE = frozenset({*PLAIN, bytes, complex, range, type(...)})
"""Types of values of which their text tells everything."""


class Written:
    """What has a text of its own."""

    text: str
    marks: tuple[Any, ...] = ()
    """As `marks` gives them."""


class Same:
    """An object, as what is equal to nothing but itself."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def text_of(value: Any) -> str:
    """A text that values share exactly if they are equal: `1`, `1.0` and `True` are three values."""
    kind = type(value)
    if kind in PLAIN:
        return repr(value)
    if isinstance(value, tuple | list):
        texts = map(repr if PLAIN.issuperset(map(type, value)) else text_of, value)
        return f"{kind.__name__}[{','.join(texts)}]"
    if isinstance(value, Written):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join([f"{text_of(key)}={text_of(value[key])}" for key in sorted(value, key=repr)]) + "}"
    return repr(value) if isinstance(value, bool | int | float | str) else repr(Encoder({})(value))


def text_with(value: Any, of: Callable[[Any], str]) -> str:
    """The same, except that `of` gives the text of what stands in containers."""
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}[{','.join([text_with(item, of) for item in value])}]"
    if isinstance(value, dict):
        return "{" + ",".join([f"{text_of(key)}={text_with(value[key], of)}" for key in sorted(value, key=repr)]) + "}"
    if isinstance(value, slice):
        return f"slice[{','.join([text_with(part, of) for part in (value.start, value.stop, value.step)])}]"
    return of(value)


def marks(value: Any) -> tuple[Any, ...]:
    """What a value's text leaves out: the order of keys, and which objects stand there that are known by name only."""
    found: list[Any] = []
    _mark(value, found)
    return tuple(found)


def _mark(value: Any, found: list[Any]) -> None:
    kind = type(value)
    if kind in SURE:
        return
    if isinstance(value, Written):
        found += value.marks
    elif isinstance(value, tuple | list):
        if kind is not tuple and kind is not list:
            found.append(kind)
        for item in value:
            _mark(item, found)
    elif kind is dict:
        if len(value) > 1:
            found.append(tuple(map(repr, value)))
        for key, item in value.items():
            _mark(key, found)
            _mark(item, found)
    elif kind is slice:
        _mark((value.start, value.stop, value.step), found)
    else:
        found.append(Same(value))
