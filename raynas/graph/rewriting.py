"""Rewriting: mutators at work on a copy, which is checked, and shares with its original what nobody touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from raynas.errors import GraphError, RaynasError
from raynas.graph.graph import Graph
from raynas.graph.member import Choice, Member, Repeated
from raynas.graph.mutator import Mutator, Picks, picking
from raynas.graph.node import Node
from raynas.graph.verify import verify


class Workshop(Protocol):
    """What mutators need of torch."""

    def open(self) -> AbstractContextManager[Any]:
        """While this is open, modules that are built keep how they were, and draw from no one's random numbers."""

    def member(self, name: str, module: Any, inputs: int) -> Member:
        """A module as the member `name` of a graph, called with so many inputs."""


def rewritten(base: Graph, mutators: Sequence[Mutator], picks: Picks, workshop: Workshop | None) -> Graph:
    """What the mutators, one after the other, make of a copy of `base`.

    Raises:
        GraphError: one of them leaves something that is no graph; names it and its picks.
    """
    copies = _Copies()
    graph = copies.graph(base)
    everything = list(graph.subgraphs())
    for copy in everything:
        copy.history, copy._outermost = graph.history, graph
        copy.to_member = workshop.member if workshop else None
    with picking(picks):
        for mutator in mutators:
            _run(graph, mutator, picks, workshop)
    for copy in everything:
        copy._outermost = copy.to_member = copy._place = None
        if copy is not graph:
            copy.history = []
    return copies.settled(graph, {})


def _run(graph: Graph, mutator: Mutator, picks: Picks, workshop: Workshop | None) -> None:
    begun, known = len(graph.history), set(picks.made)
    try:
        if workshop is None:
            mutator.mutate(graph)
        else:
            with workshop.open():
                mutator.mutate(graph)
        own = {label: value for label, value in picks.made.items() if label not in known}
        lines = [f"{label} = {value!r}" for label, value in own.items()] + graph.history[begun:]
        graph.history[begun:] = [f"{mutator.name}: {line}" for line in lines]
        for part in graph.subgraphs():
            _check(part)
        verify(graph)
    except RaynasError as error:
        if mutator.name in str(error):
            raise
        raise type(error)(f"mutator {mutator.name} ({picks}): {error}") from error
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise GraphError(f"mutator {mutator.name} ({picks}) failed with {what}: correct its mutate") from error


def _check(graph: Graph) -> None:
    """Raise `GraphError` where an edge begins nowhere or leads back, or a call passes too few or too many inputs."""
    places = {id(node): place for place, node in enumerate(graph.nodes)}
    for place, node in enumerate(graph.nodes):
        for source in node.inputs():
            if id(source) not in places:
                raise GraphError(
                    f"it leaves node '{node.name}' of '{graph.name}' with a dangling input, '{source.name}', which is "
                    "not in the graph: replace the uses of a node before you take it out"
                )
            if places[id(source)] >= place:
                raise GraphError(
                    f"it leaves node '{node.name}' of '{graph.name}' with the input '{source.name}', which comes "
                    "behind it: that is a cycle; insert the node behind all its inputs"
                )
        if node.op == "graph" and not node.kwargs:
            _count(graph, node)


def _count(graph: Graph, node: Node) -> None:
    try:
        called = graph.member(node.target)
    except (GraphError, KeyError):
        return  # a shared one of a graph around it, or none at all, which `verify` tells
    if not isinstance(called, Graph) or not called.nodes or any(item.target.startswith("*") for item in called.inputs):
        return
    least = sum(not item.args for item in called.inputs)
    if not least <= len(node.args) <= len(called.inputs):
        raise GraphError(
            f"it leaves node '{node.name}' of '{graph.name}' calling '{node.target}' with {len(node.args)} inputs, "
            f"which has {len(called.inputs)}: pass each of them"
        )


class _Copies:
    """Deep copies of graphs, and what they are copies of."""

    def __init__(self) -> None:
        self._from: dict[int, tuple[Graph, Graph, Any]] = {}

    def graph(self, graph: Graph) -> Graph:
        copy = graph.copied(self.member)
        for node in copy.nodes:
            node.graph = copy
        self._from[id(copy)] = (copy, graph, _signature(copy))
        return copy

    def member(self, member: Member) -> Member:
        return _within(member, self.graph)

    def settled(self, copy: Graph, made: dict[int, Graph]) -> Graph:
        """The copy; where nobody touched it, what it is a copy of, of which more may be known."""
        if id(copy) in made:
            return made[id(copy)]
        known = self._from.get(id(copy))
        untouched = known is not None and _signature(copy) == known[2]
        made[id(copy)] = copy

        def settled(member: Member) -> Member:
            return _within(member, lambda graph: self.settled(graph, made))

        for places in (copy.members, copy.shared):
            for name, member in list(places.items()):
                places[name] = settled(member)
        if known is not None and untouched:
            original = known[1]
            same = _same_members(copy.members, original.members) and _same_members(copy.shared, original.shared)
            if same and not copy.history:
                made[id(copy)] = original
                return original
        return copy


def _within(member: Member, of: Callable[[Graph], Graph]) -> Member:
    """A member with each graph in it replaced; itself where none of them is."""
    if isinstance(member, Graph):
        return of(member)
    if isinstance(member, Choice):
        candidates = {key: _within(item, of) for key, item in member.candidates.items()}
        changed = any(candidates[key] is not item for key, item in member.candidates.items())
        return replace(member, candidates=candidates) if changed else member
    if isinstance(member, Repeated):
        blocks = tuple(_within(block, of) for block in member.blocks)
        return (
            replace(member, blocks=blocks)
            if any(a is not b for a, b in zip(blocks, member.blocks, strict=True))
            else member
        )
    return member


def _same_members(left: Any, right: Any) -> bool:
    return list(left) == list(right) and all(_alike(left[name], right[name]) for name in left)


def _alike(left: Member, right: Member) -> bool:
    if left is right:
        return True
    if isinstance(left, Choice) and isinstance(right, Choice):
        return left.pick is right.pick and _same_members(left.candidates, right.candidates)
    if isinstance(left, Repeated) and isinstance(right, Repeated):
        pairs = zip(left.blocks, right.blocks, strict=False)
        return left.depth is right.depth and len(left.blocks) == len(right.blocks) and all(_alike(*p) for p in pairs)
    return False


def _signature(graph: Graph) -> Any:
    """Something that changes with a graph's own steps and members, and holds only while these objects live."""
    steps = [
        (id(node), node.name, node.op, node.target, _ids(node.args), _ids(node.kwargs), node.when)
        for node in graph.nodes
    ]
    rest = (list(map(id, graph.setup)), _ids(graph.attributes), id(graph.init))
    return graph.name, graph.base, steps, rest


def _ids(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [type(value), *map(_ids, value)]
    if isinstance(value, dict):
        return {key: _ids(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else id(value)
