"""Settled: values in the place of the choices that a constructor makes.

So a space can be built once more as the plain model that one sample stands for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import mapped

Given = tuple[Leaf, Any]
"""A choice of an earlier build, and the value that stands for it in this one."""


class _Thread(threading.local):
    given: list[Given] | None = None


_thread = _Thread()


@contextmanager
def settled(given: Iterable[Given]) -> Iterator[None]:
    """While this is open, a choice that is made on this thread is the value given for it.

    It is known again by its line, its candidates and its turn; one that was not made before is its default.
    """
    before, _thread.given = _thread.given, list(given)
    try:
        yield
    finally:
        _thread.given = before


def is_settled() -> bool:
    """Whether choices are values on this thread."""
    return _thread.given is not None


def with_values(value: Any, given: Iterable[Given]) -> Any:
    """`value` with its choices as given."""
    values = {id(leaf): item for leaf, item in given}

    def of(expression: Expression) -> Any:
        if isinstance(expression, Leaf):
            return values[id(expression)]
        return expression.applied(lambda arg: mapped(arg, of))

    return mapped(value, of)


def value_of(leaf: Leaf) -> Any:
    """The value that stands for a choice."""
    given = _thread.given or []
    for position, (made, value) in enumerate(given):
        if made.where == leaf.where and made.tokens == leaf.tokens:
            del given[position]
            return value
    return leaf.default()
