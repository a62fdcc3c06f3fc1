"""Repeats: which lists, arrays and the like stand in a value more than once, and so are to stay one."""

from __future__ import annotations

import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

from raynas.errors import SerializationError
from raynas.search_space.expression import DomainLeaf, Expression, Leaf
from raynas.serializer.buffers import is_plain_array, is_plain_tensor
from raynas.serializer.call import Call, call_of

CONTAINERS = (list, tuple, dict, set, frozenset, OrderedDict, defaultdict, Counter, deque)
MAPPINGS = (dict, OrderedDict, defaultdict, Counter)


def repeated(value: Any) -> set[int]:
    """The ids of mutable values without a recorded call that `value` holds more than once.

    Raises:
        SerializationError: something holds itself.
    """
    found: set[int] = set()
    seen: set[int] = set()
    around: set[int] = set()

    def visit(item: Any) -> None:
        parts, counts = _parts(item)
        if not counts:
            return
        here = id(item)
        if here in around:
            raise SerializationError(
                f"a {type(item).__name__} holds itself, which cannot be written down: break the circle"
            )
        if here in seen:
            if counts > 1:
                found.add(here)
            return
        seen.add(here)
        around.add(here)
        for part in parts:
            visit(part)
        around.discard(here)

    visit(value)
    return found


def _parts(item: Any) -> tuple[list[Any], int]:
    """What a value holds, and 2 where it is one that may be changed, 1 where it only holds others, 0 for the rest."""
    kind = type(item)
    if kind in CONTAINERS:
        inner = [*item.keys(), *item.values()] if kind in MAPPINGS else list(item)
        return inner, 1 if kind in (tuple, frozenset) else 2
    if isinstance(item, Expression):
        return list(item.candidates) if isinstance(item, Leaf) and not isinstance(item, DomainLeaf) else [], 1
    if isinstance(item, type):
        return [], 0
    call = item if isinstance(item, Call) else call_of(item)
    if call is not None:
        return [*call.args, *call.kwargs.values()], 1
    if kind is bytearray or (kind.__name__ == "ndarray" and is_plain_array(item)) or is_plain_tensor(item):
        return [], 2
    if dataclasses.is_dataclass(item):
        return [getattr(item, field.name, None) for field in dataclasses.fields(item)], 2
    return [], 0
