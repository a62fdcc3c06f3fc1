"""Wirings: which vertices of a small graph feed which, as NAS-Bench-101 counts them (Ying et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from random import Random
from typing import Any

from raynas.errors import SpaceError
from raynas.search_space.domain import Domain, Value

Edges = tuple[tuple[int, ...], ...]

LIMIT = 200_000
"""So many wirings a domain may have."""


@dataclass(frozen=True)
class Wiring(Domain):
    """The directed graphs of some vertices in a fixed order, of which each lies on a way from the first to the last.

    A value lists, for each vertex after the first, those that feed it: `((0,), (0, 1))` is a triangle.

    Attributes:
        vertices: how many there are, from 2.
        max_edges: how many edges a graph may have.

    >>> list(Wiring("edges", vertices=3, max_edges=9).values())
    [((0,), (1,)), ((0,), (0, 1))]
    """

    vertices: int = 2
    max_edges: int = 9

    def __post_init__(self) -> None:
        if self.vertices < 2 or self.max_edges < self.vertices - 1:
            raise SpaceError(
                f"choice '{self.label}'{self.at} is about {self.vertices} vertices and {self.max_edges} edges: "
                "give two vertices or more, and an edge for each but the first"
            )
        if not wirings(self.vertices, self.max_edges):
            raise SpaceError(
                f"choice '{self.label}'{self.at} has more than {LIMIT:,} wirings: allow fewer vertices or edges"
            )

    @property
    def default(self) -> Value:
        return wirings(self.vertices, self.max_edges)[0]

    def random(self, rng: Random) -> Value:
        found = wirings(self.vertices, self.max_edges)
        return found[rng.randrange(len(found))]

    def other(self, value: Value, rng: Random) -> Value:
        rest = [found for found in wirings(self.vertices, self.max_edges) if found != value]
        if not rest:
            raise SpaceError(f"choice '{self.label}'{self.at} has one candidate only, so it cannot be changed")
        return rest[rng.randrange(len(rest))]

    def contains(self, value: object) -> bool:
        return isinstance(value, tuple) and value in _as_set(self.vertices, self.max_edges) and _whole(value)

    def values(self) -> Iterator[Value]:
        return iter(wirings(self.vertices, self.max_edges))

    def size(self) -> int:
        return len(wirings(self.vertices, self.max_edges))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "wiring", "label": self.label, "vertices": self.vertices, "max_edges": self.max_edges}

    def __str__(self) -> str:
        return (
            f"for each of {self.vertices} vertices but the first, those before it that feed it, "
            f"with {self.max_edges} edges at most ({self.size():,} values)"
        )


@lru_cache(maxsize=64)
def wirings(vertices: int, max_edges: int) -> tuple[Edges, ...]:
    """All values of a `Wiring`; none at all where there are too many."""
    found: list[Edges] = []

    def extend(edges: Edges, left: int, unused: frozenset[int]) -> bool:
        vertex = len(edges) + 1
        if vertex == vertices:
            if not unused - {vertices - 1}:
                found.append(edges)
            return len(found) <= LIMIT
        after = vertices - vertex - 1  # vertices that need an edge of their own, too
        subsets = chain.from_iterable(combinations(range(vertex), size) for size in range(1, left - after + 1))
        return all(extend((*edges, s), left - len(s), unused - set(s) | {vertex}) for s in subsets)

    return tuple(found) if extend((), max_edges, frozenset({0})) else ()


@lru_cache(maxsize=64)
def _as_set(vertices: int, max_edges: int) -> frozenset[Edges]:
    return frozenset(wirings(vertices, max_edges))


def _whole(value: Any) -> bool:
    """Whether all numbers are plain ints: True and 1.0 would be found in a set of ints."""
    return all(type(part) is tuple and all(type(vertex) is int for vertex in part) for part in value)


def vertex_channels(edges: Edges, channels: int, vertex: int) -> int:
    """How many channels a vertex has, where the last one has `channels` and is the concatenation of what feeds it.

    What feeds the last vertex shares its channels out, the first ones taking one more where that does not come out
    even; any other vertex has as many as the widest one it feeds.
    """
    last = len(edges)
    if vertex in (0, last):
        return channels
    shares = [feeding for feeding in edges[last - 1] if feeding]
    if vertex in shares:
        return channels // len(shares) + (shares.index(vertex) < channels % len(shares))
    return max(vertex_channels(edges, channels, user) for user in fed_by(edges, vertex) if user != last)


def fed_by(edges: Sequence[Sequence[int]], vertex: int) -> list[int]:
    """The vertices that `vertex` feeds."""
    return [user for user, feeding in enumerate(edges, start=1) if vertex in feeding]
