"""Freeze: the graph that a sample stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from raynas.errors import GraphError, SpaceError
from raynas.graph import form
from raynas.graph.fixed import has_choice, is_fixed
from raynas.graph.graph import Graph, find
from raynas.graph.kinds import PLACEHOLDER, ZEROS
from raynas.graph.member import Choice, Local, Make, Member, Pick, Repeated, Shared, Step, Tensor, Unit
from raynas.graph.node import Node, Op, nodes_in
from raynas.graph.setup import chosen_steps
from raynas.search_space import Expression, Leaf, Value
from raynas.search_space.expression import evaluate
from raynas.search_space.expression import token as token_of

Scope = Mapping[str, Member]


def freeze(graph: Graph, sample: Mapping[str, Value]) -> Graph:
    """A graph of a space with its choices made as `sample` says, which has all the labels that count.

    What hangs on no choice is not copied: all variants hold the same units and graphs, so copy before you edit.

    Raises:
        SampleError: a label is missing or out of its domain.
        GraphError: a placeholder is still there.
    """
    return _without_words(_Freezer(sample).graph(graph, {}, {}), {})


def called_as(member: Member) -> Op:
    """The op of a node that calls this member."""
    return "module" if isinstance(member, Unit) else "graph" if isinstance(member, Graph) else "choice"


class _Freezer:
    """Makes the choices of one sample.

    In its methods `scope` holds the shared members as they were, and `made` as they become.
    """

    def __init__(self, sample: Mapping[str, Value]) -> None:
        self.sample = sample

    def graph(self, graph: Graph, scope: Scope, made: Scope) -> Graph:
        """The graph itself where it has no choice."""
        if is_fixed(graph):
            if form.of(graph) is None:
                form.give_frozen(graph, graph, self.sample)
            return graph
        scope = {**scope, **graph.shared}
        shared: dict[str, Member] = {}
        inner = {**made, **shared}
        for name, member in graph.shared.items():
            shared[name] = inner[name] = self.member(member, scope, inner)
        members = {name: self.member(member, scope, inner) for name, member in graph.members.items()}
        init = graph.init and self.unit(graph.init)
        frozen = Graph(graph.name, members, [], graph.base, shared, init, self.setup(graph, scope))
        frozen.attributes = {name: evaluate(item, self.sample) for name, item in graph.attributes.items()}
        self.nodes(graph, frozen, scope, inner)
        form.give_frozen(frozen, graph, self.sample)
        return frozen

    def nodes(self, graph: Graph, frozen: Graph, scope: Scope, shared: Scope) -> None:
        """Fill in the steps."""
        made: dict[int, Any] = {}

        def value(item: Any) -> Any:
            if isinstance(item, Node):
                return made[id(item)]
            if isinstance(item, Expression):
                return evaluate(item, self.sample)
            if isinstance(item, tuple):
                return tuple(map(value, item))
            if isinstance(item, list):
                return list(map(value, item))
            if isinstance(item, dict):
                return {key: value(part) for key, part in item.items()}
            if isinstance(item, slice):
                return slice(value(item.start), value(item.stop), value(item.step))
            return item

        for node in graph.nodes:
            args, kwargs, op = value(node.args), value(node.kwargs), node.op
            if op == "choice":
                member = self.chosen(_at(graph, node.target, scope), scope)
                if isinstance(member, Pick):
                    made[id(node)] = self.picked(frozen, node.name, member, args)
                    continue
                op = called_as(_resolved(_at(frozen, node.target, shared), shared))
                if op == "graph":  # an opened candidate takes the values only; what was fixed is in its steps
                    args, kwargs = tuple(map(value, nodes_in((node.args, node.kwargs)))), {}
            if op == "module" and _zero(_at(frozen, node.target, shared)):
                made[id(node)] = copy = Node(node.name, "function", "torch.zeros_like", args[:1], kwargs)
            else:
                made[id(node)] = copy = Node(node.name, op, node.target, args, kwargs)
            frozen.nodes.append(copy)

    def member(self, member: Member, scope: Scope, made: Scope) -> Member:
        if isinstance(member, Unit):
            return self.unit(member)
        if isinstance(member, Graph):
            return self.graph(member, scope, made)
        if isinstance(member, Tensor):
            inner = member.value
            return member if isinstance(inner, Local) else replace(member, value=self.unit(inner))
        if isinstance(member, Choice):
            return self.member(member.candidates[self.token(member.pick)], scope, made)
        if isinstance(member, Repeated):
            blocks = member.blocks[: self.depth(member)]
            return self.chain(blocks, [self.member(block, scope, made) for block in blocks], scope, made)
        return member

    def chosen(self, member: Member, scope: Scope) -> Member:
        """What stands behind choices within choices."""
        while isinstance(member, Choice | Shared):
            member = member.candidates[self.token(member.pick)] if isinstance(member, Choice) else scope[member.name]
        return member

    def unit(self, unit: Unit) -> Unit:
        if unit.target == PLACEHOLDER:
            label = unit.args[0] if unit.args else unit.kwargs.get("label")
            raise GraphError(
                f"the placeholder '{label}' is still there: pass raynas.trace a mutator that replaces it, "
                "or put a module in its place"
            )
        if not has_choice((unit.args, dict(unit.kwargs))):
            return unit

        def value(item: Any) -> Any:
            return self.unit(item) if isinstance(item, Unit) else evaluate(item, self.sample)

        return Unit(unit.target, tuple(map(value, unit.args)), {key: value(item) for key, item in unit.kwargs.items()})

    def setup(self, graph: Graph, scope: Scope) -> list[Step]:
        """The constructor's steps that are about what the sample chooses."""
        if not graph.setup:
            return []
        gone = {name for name, member in graph.members.items() if isinstance(self.chosen(member, scope), Pick)}
        steps = chosen_steps(graph, self.token, self.depth, scope)
        return [step for step in steps if not (isinstance(step, Make) and step.name in gone)]

    def token(self, pick: Expression) -> Any:
        """What stands in a sample for what was picked."""
        return pick.chosen(self.sample) if isinstance(pick, Leaf) else token_of(pick.evaluate(self.sample))

    def depth(self, member: Repeated) -> int:
        depth = member.depth.evaluate(self.sample)
        if not isinstance(depth, int) or not 0 <= depth <= len(member.blocks):
            raise SpaceError(
                f"{member.depth!r} gives the depth {depth!r}: give a whole number up to {len(member.blocks)}"
            )
        return depth

    def chain(self, before: Sequence[Member], blocks: Sequence[Member], scope: Scope, made: Scope) -> Graph:
        """Modules one after the other, as `nn.Sequential` runs them."""
        graph = Graph("Sequential", {str(i): block for i, block in enumerate(blocks)}, [], "torch.nn.Sequential")
        last: Any = graph.add("input", "x", name="x")
        for position, (name, block) in enumerate(list(graph.members.items())):
            chosen = self.chosen(before[position], scope)
            if isinstance(chosen, Pick):
                last = self.picked(graph, f"x_{name}", chosen, (last,))
            elif _zero(_resolved(block, made)):
                last = graph.add("function", "torch.zeros_like", (last,), name=f"x_{name}")
            else:
                last = graph.add(called_as(_resolved(block, made)), name, (last,), name=f"x_{name}")
        graph.add("output", "output", (last,))
        return graph

    def picked(self, graph: Graph, name: str, member: Pick, inputs: tuple[Any, ...]) -> Any:
        """What an input choice gives: one of its inputs, or the nodes that reduce several."""
        token = self.token(member.pick)
        if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
            (inputs,) = inputs
        chosen = [inputs[i] for i in (token if isinstance(token, tuple) else (token,))]
        if member.reduction == "none":
            return tuple(chosen)
        if len(chosen) == 1:
            return chosen[0]
        if member.reduction == "concat":
            return graph.add("function", "torch.cat", (chosen, 1), name=name)
        total = chosen[0]
        for item in chosen[1:]:
            total = graph.add("function", "operator.add", (total, item), name=name)
        if member.reduction == "mean":
            total = graph.add("function", "operator.truediv", (total, len(chosen)), name=name)
        return total


def _at(graph: Graph, path: str, shared: Scope) -> Member:
    """The member at a path below a graph."""
    member = graph.members.get(path)
    return find(graph, path, shared)[0] if member is None or isinstance(member, Shared) else member


def _resolved(member: Member, shared: Scope) -> Member:
    while isinstance(member, Shared):
        member = shared[member.name]
    return member


def _zero(member: Member) -> bool:
    return isinstance(member, Unit) and member.target in ZEROS


def _without_words(graph: Graph, shared: Scope) -> Graph:
    """The frozen graph, all the way down, without the members that its steps no longer call."""
    shared = {**shared, **graph.shared}
    for places in (graph.members, graph.shared):
        for name, member in list(places.items()):
            there = _resolved(member, shared)
            if isinstance(there, Pick) or _zero(there):
                del places[name]
            elif isinstance(member, Graph) and not is_fixed(member):
                _without_words(member, shared)
    return graph
