"""Documents changed anywhere and in any way, for what must refuse them in one line or make sense of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

WORDS = ["", "x", "a.b", "__class__", "torch.nn.Linear", "os.system", "self", "class", "0", "a b", "x\n y", ".", ".x"]
VALUES: list[Any] = [None, True, 0, -1, 1.5, 10**30, float("nan"), [], {}, [1], [[]], {"": 1}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that stands in a document."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def at(value: Any, path: Sequence[Any]) -> Any:
    """What stands at a path."""
    for key in path:
        value = value[key]
    return value


def spoiled(document: Any, rng: Random, values: Sequence[Any] = ()) -> Any:
    """The document with something left out, repeated, put in another order, renamed or replaced.

    Args:
        document: of dicts and lists.
        rng: draws what is done where.
        values: what may take a place, beside what can stand in any document.
    """
    document = copy.deepcopy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        paths = list(places(document))
        if not paths:
            break
        *above, key = rng.choice(paths)
        owner, way = at(document, above), rng.randrange(5)
        if way == 0:
            del owner[key]
        elif way == 1 and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        elif way == 2 and isinstance(owner, list):
            rng.shuffle(owner)
        elif way == 3 and isinstance(owner, dict):
            owner[rng.choice(WORDS)] = owner.pop(key)
        else:
            others = [rng.choice(WORDS), rng.choice([*VALUES, *values]), at(document, rng.choice(paths))]
            owner[key] = copy.deepcopy(rng.choice(others))
    return document
