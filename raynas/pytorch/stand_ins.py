"""Stand-ins: builtins that make a number of a value, `int(x.shape[1] ** 0.5)`, `max(h - 7, 0)`, `len(x)`, as steps.

So is `tuple(x.shape)`.

Python wants its own numbers from `int`, `float` and `len`, so no proxy can answer. While a forward is traced, these
names mean other functions in the modules of the code that it runs. They do the same, except that a call with a value
that only the run knows becomes a step, or, where it asks for the type, refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from raynas.pytorch.passing import proxies_in
from raynas.pytorch.proxy import ROWS, Flag, Untraceable, is_traced
from raynas.pytorch.stars import is_size


class Use(NamedTuple):
    """That code of one module names one of these builtins.

    Attributes:
        names: the module's global names.
        word: the builtin's.
        only_called: whether it is called there, or passed on, and nothing else is asked of it.
    """

    names: dict[str, Any]
    word: str
    only_called: bool


def _step(function: Any, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a call gives: a step where a value that only the run knows stands in it, but no flag."""
    known = next((value for value in proxies_in((values, named)) if not isinstance(value, Flag)), None)
    if known is None:
        return function(*values, **named)
    return known.tracer.create_proxy("call_function", function, values, named)


class _Kind(type):
    """Behaves as the class of numbers for which it stands."""

    real: type

    def __call__(cls, *values: Any, **named: Any) -> Any:
        return _step(cls.real, values, named)

    def __instancecheck__(cls, value: Any) -> bool:
        if is_traced(value):
            raise Untraceable("asks for the type of a value that only the run knows")
        return isinstance(value, cls.real)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, cls.real)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.real, name)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is cls.real

    def __hash__(cls) -> int:
        return hash(cls.real)


class _Sizes(_Kind):
    """Behaves as the class of tuples: that of a size is a step, for only the run knows how long it is."""

    def __call__(cls, *values: Any, **named: Any) -> Any:
        if len(values) == 1 and is_traced(values[0]) and is_size(values[0].node):
            return _step(cls.real, values, named)
        return cls.real(*values, **named)


class _Int(metaclass=_Kind):
    real = int


class _Float(metaclass=_Kind):
    real = float


class _Tuple(metaclass=_Sizes):
    real = tuple


def _len(value: Any) -> Any:
    if not is_traced(value):
        return len(value)
    rows = value.node.meta.get(ROWS)
    return _step(len, (value,), {}) if rows is None else rows


def _max(*values: Any, **named: Any) -> Any:
    return _step(max, _listed(values), named)


def _min(*values: Any, **named: Any) -> Any:
    return _step(min, _listed(values), named)


def _round(value: Any, *digits: Any) -> Any:
    return _step(round, (value, *digits), {})


def _sum(*values: Any, **named: Any) -> Any:
    return _step(sum, values, named) if values and is_traced(values[0]) else sum(*values, **named)


def _isinstance(value: Any, kind: Any) -> bool:
    """Abstract classes, such as `Sequence`, would be answered for the proxy."""
    if is_traced(value):
        raise Untraceable("asks for the type of a value that only the run knows")
    return isinstance(value, kind)


def _listed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """One iterator among the arguments as a list, so that it can be looked through."""
    return tuple([list(value) if hasattr(type(value), "__next__") else value for value in values])


STAND_INS: dict[str, Any] = {
    "int": _Int,
    "float": _Float,
    "len": _len,
    "max": _max,
    "min": _min,
    "round": _round,
    "sum": _sum,
    "isinstance": _isinstance,
    "tuple": _Tuple,
}
CLASSES = frozenset({"int", "float", "tuple"})
"""Those that are classes: where code does anything with them but call them, they stay what they are."""


def meant(value: Any) -> Any:
    """The builtin for which a class stands; any other value is itself."""
    return value.real if isinstance(value, _Kind) else value


def means_builtin(names: dict[str, Any], word: str) -> bool:
    """Whether a global name means the builtin, as far as a module does not define its own."""
    return word in STAND_INS and (word not in names or names[word] is STAND_INS[word])


@contextmanager
def standing_in(uses: Iterable[Use]) -> Iterator[None]:
    """While this is open, the names mean what records steps."""
    refused = {(id(use.names), use.word) for use in uses if use.word in CLASSES and not use.only_called}
    before: list[tuple[dict[str, Any], str, bool]] = []
    for use in uses:
        wanted = (id(use.names), use.word) not in refused
        there = use.word in use.names
        if wanted != there and means_builtin(use.names, use.word):
            before.append((use.names, use.word, there))
            _put(use.names, use.word, wanted)
    try:
        yield
    finally:
        for names, word, there in before:
            _put(names, word, there)


def _put(names: dict[str, Any], word: str, there: bool) -> None:
    if there:
        names[word] = STAND_INS[word]
    else:
        names.pop(word, None)
