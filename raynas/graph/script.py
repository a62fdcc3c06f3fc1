"""Script: how one graph became another, to be played again on graphs of the same form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from raynas.graph.graph import Graph
from raynas.graph.member import Member, Step
from raynas.graph.node import Node, Op, When, map_nodes

Kept: TypeAlias = "tuple[tuple[str, str, Kept | None], ...]"
"""Members that stay: new name, old name, and of a container what stays in it; None: all."""


@dataclass(frozen=True)
class _At:
    """A node, by its place among the new ones."""

    place: int


@dataclass(frozen=True)
class _Line:
    name: str
    op: Op
    target: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    when: When
    places: tuple[int, ...] | None


@dataclass(frozen=True)
class Script:
    """The steps and members of the new graph in terms of the old one.

    Attributes:
        lines: the steps.
        kept: the members.
        shared: names of the shared members that stay.
        setup: the constructor's steps.
    """

    lines: tuple[_Line, ...]
    kept: Kept
    shared: tuple[str, ...]
    setup: tuple[Step, ...]

    @classmethod
    def of(cls, old: Graph, new: Graph, names: Mapping[str, str]) -> Script:
        """The script that leads from `old` to `new`; `names` gives the old names of members that got another."""
        places = {id(node): place for place, node in enumerate(new.nodes)}
        lines = []
        for node in new.nodes:
            plain = not node.kwargs and all(isinstance(arg, Node) for arg in node.args)
            args, kwargs = map_nodes((node.args, node.kwargs), lambda n: _At(places[id(n)]))
            at = tuple(arg.place for arg in args) if plain else None
            lines.append(_Line(node.name, node.op, node.target, args, kwargs, node.when, at))
        return cls(tuple(lines), _kept(old, new, names), tuple(new.shared), tuple(new.setup))

    def play(self, graph: Graph, member: Callable[[Member], Member]) -> Graph:
        """The new graph of another old one; `member` gives each member's own new form."""
        members = _members(graph, self.kept, member)
        shared = {name: member(graph.shared[name]) for name in self.shared}
        new = Graph(graph.name, members, [], graph.base, shared, graph.init, self.setup, graph.attributes)
        self.run(new.nodes)
        return new

    def run(self, nodes: list[Node]) -> None:
        """Fill in the new graph's steps."""
        for line in self.lines:
            if line.places is not None:
                args: tuple[Any, ...] = tuple([nodes[place] for place in line.places])
                nodes.append(Node(line.name, line.op, line.target, args, None, line.when))
            else:
                args, kwargs = _filled((line.args, line.kwargs), nodes)
                nodes.append(Node(line.name, line.op, line.target, args, kwargs, line.when))


def _kept(old: Graph, new: Graph, names: Mapping[str, str]) -> Kept:
    """The members of `new`; `names` gives the old name of those that got another."""
    pairs = [(name, names.get(name, name)) for name in new.members]
    return tuple((name, before, _inside(old.members[before], new.members[name])) for name, before in pairs)


def _inside(old: Member, new: Member) -> Kept | None:
    if isinstance(old, Graph) and isinstance(new, Graph) and not new.nodes and len(new.members) < len(old.members):
        return _kept(old, new, {})
    return None


def _members(graph: Graph, kept: Kept, member: Callable[[Member], Member]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for new, old, inside in kept:
        item = graph.members[old]
        if inside is None or not isinstance(item, Graph):
            found[new] = member(item)
        else:
            found[new] = Graph(
                item.name,
                _members(item, inside, member),
                [],
                item.base,
                item.shared,
                item.init,
                item.setup,
                item.attributes,
            )
    return found


def _filled(value: Any, nodes: Sequence[Node]) -> Any:
    if isinstance(value, _At):
        return nodes[value.place]
    if isinstance(value, tuple):
        return tuple([_filled(item, nodes) for item in value])
    if isinstance(value, list):
        return [_filled(item, nodes) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, nodes) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(_filled(item, nodes) for item in (value.start, value.stop, value.step)))
    return value
