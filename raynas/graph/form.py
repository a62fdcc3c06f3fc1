"""Form: a short name for how a graph is built, so that what was found out of one need not be found out of its likes.

Graphs of equal form are equal in everything but identity: the same members by the same names, the same steps in the
same order. A frozen graph's form is that of the graph it comes from, and the choices that were made in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Generic, TypeVar

from raynas.errors import RaynasError
from raynas.graph.fixed import mentions_outside
from raynas.graph.graph import Graph, children
from raynas.graph.member import Choice, Member, Pick, Repeated, Shared, Tensor, Unit
from raynas.search_space import Value
from raynas.search_space.domain import exact
from raynas.search_space.expression import leaves

K = TypeVar("K")
T = TypeVar("T")

LIMIT = 20_000
"""How many forms a table remembers something of."""


class Table(dict[Hashable, T], Generic[T]):
    """What is known by form; forgets everything once it is full."""

    def note(self, form: Hashable, value: T) -> T:
        if len(self) >= LIMIT:
            self.clear()
        self[form] = value
        return value


def of(graph: Graph) -> Hashable | None:
    """The graph's form; None where nobody gave it one."""
    return graph.notes.get("form")


def give(graph: Graph, form: Hashable) -> None:
    """Say which form a graph has."""
    graph.notes["form"] = form


def give_frozen(frozen: Graph, origin: Graph, sample: Mapping[str, Value]) -> None:
    """Give a frozen graph its form: that of its origin, and the choices that count in it."""
    if "origin" not in origin.notes:
        origin.notes["origin"] = _origin(origin)
    known = origin.notes["origin"]
    if known is not None:
        form, labels = known
        made = tuple([exact(sample[label]) if label in sample else None for label in labels])
        give(frozen, ("frozen", form, made))


def _origin(graph: Graph) -> tuple[Hashable, tuple[str, ...]] | None:
    if mentions_outside(graph):
        return None
    try:
        text = graph.to_json()
    except RaynasError:  # it holds a value without a form of its own
        return None
    return _number(text), tuple(dict.fromkeys(_labels(graph)))


@cache
def _number(text: str) -> object:
    return object()


def _labels(member: Member | None) -> list[str]:
    """The labels of the choices below a member."""
    if isinstance(member, Unit):
        found = [leaf.named() for leaf in leaves([list(member.args), dict(member.kwargs)])]
        return found + [label for arg in (*member.args, *member.kwargs.values()) for label in _in_units(arg)]
    if isinstance(member, Tensor):
        return _labels(member.value) if isinstance(member.value, Unit) else []
    own: list[str] = []
    if isinstance(member, Choice | Pick):
        own = [leaf.named() for leaf in member.pick.leaves()]
    elif isinstance(member, Repeated):
        own = [leaf.named() for leaf in member.depth.leaves()]
    elif isinstance(member, Graph):
        values = [[list(node.args), node.kwargs] for node in member.nodes] + [list(member.attributes.values())]
        own = [leaf.named() for leaf in leaves(values)] + _labels(member.init)
        own += [label for item in member.shared.values() for label in _labels(item)]
    if member is None or isinstance(member, Shared | Pick):
        return own
    return own + [label for child in children(member).values() for label in _labels(child)]


def _in_units(value: object) -> list[str]:
    if isinstance(value, Unit):
        return _labels(value)
    if isinstance(value, tuple | list):
        return [label for item in value for label in _in_units(item)]
    if isinstance(value, dict):
        return [label for item in value.values() for label in _in_units(item)]
    return []
