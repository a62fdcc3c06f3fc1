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
from raynas.graph.node import Node, Op, When, nodes_in
from raynas.graph.room import roomy
from raynas.graph.setup import chosen_steps
from raynas.search_space import Expression, Leaf, Value
from raynas.search_space.expression import evaluate
from raynas.search_space.expression import token as token_of

Scope = Mapping[str, Member]


@roomy
def freeze(graph: Graph, sample: Mapping[str, Value]) -> Graph:
    """A graph of a space with its choices made as `sample` says, which has all the labels that count.

    Only the outermost graph is always a new one. All variants hold the same units and graphs wherever no choice stands
    in them, and mostly also where the choices in them are the same: copy them before you edit.

    Raises:
        SampleError: a label is missing or out of its domain.
        GraphError: a placeholder is still there.
    """
    return graph if is_fixed(graph) else Freezer(sample).opened(graph, {})


class Freezer:
    """Makes the choices of one sample.

    In its methods `scope` holds the shared members as they were before.

    Attributes:
        tokens: the sample's values, to compare them.
        seen: graphs of the space, by their ids, that stand for a variant already.
    """

    def __init__(self, sample: Mapping[str, Value]) -> None:
        self.sample = sample
        self.tokens = form.tokens_of(sample)
        self.seen: set[int] = set()

    def graph(self, graph: Graph, scope: Scope) -> Graph:
        """A graph inside the model: itself where it has no choice; one of before where the choices were the same."""
        fixed = is_fixed(graph)
        if fixed and "form" in graph.notes:
            return graph
        origin = form.origin_of(graph)
        if origin is None:
            return graph if fixed else self.opened(graph, scope)
        made = origin.made(self.tokens)
        if fixed:
            form.give(graph, origin.form(made))
            return graph
        again = id(graph) in self.seen  # one graph in two places stands for two that are alike
        self.seen.add(id(graph))
        frozen = None if again else origin.variants.get(made)
        if frozen is None:
            frozen = self.opened(graph, scope)
            form.give(frozen, origin.form(made))
            if not again:
                frozen.notes["fixed"] = True
                origin.keep(made, frozen)
        return frozen

    def opened(self, graph: Graph, scope: Scope) -> Graph:
        """A graph with its choices made."""
        if graph.shared:
            scope = {**scope, **graph.shared}
        init = graph.init and self.unit(graph.init)
        shared = self.members(graph.shared, scope) if graph.shared else {}
        frozen = Graph(graph.name, None, [], graph.base, shared, init, self.setup(graph, scope))
        frozen.members = self.members(graph.members, scope)
        if graph.attributes:
            frozen.attributes = {name: evaluate(item, self.sample) for name, item in graph.attributes.items()}
        self.nodes(graph, frozen, scope)
        return frozen

    def members(self, members: Mapping[str, Member], scope: Scope) -> dict[str, Member]:
        """Those of the members that are still there once the choices are made."""
        found: dict[str, Member] = {}
        for name, member in members.items():
            if type(member) is Unit and member.target not in ZEROS:
                found[name] = self.unit(member)
            elif not _is_word(self.chosen(member, scope)):
                found[name] = self.member(member, scope)
        return found

    def nodes(self, graph: Graph, frozen: Graph, scope: Scope) -> None:
        """Fill in the steps."""
        made: dict[int, Any] = {}
        nodes = frozen.nodes

        def value(item: Any) -> Any:
            if isinstance(item, Node):
                return made[id(item)]
            if isinstance(item, Expression):
                return evaluate(item, self.sample)
            if isinstance(item, tuple):
                return tuple([value(part) for part in item])
            if isinstance(item, list):
                return [value(part) for part in item]
            if isinstance(item, dict):
                return {key: value(part) for key, part in item.items()}
            if isinstance(item, slice):
                return slice(value(item.start), value(item.stop), value(item.step))
            return item

        for node in graph.nodes:
            op = node.op
            args = tuple([made[id(arg)] if type(arg) is Node else value(arg) for arg in node.args])
            kwargs = value(node.kwargs) if node.kwargs else None
            if op == "choice" or op == "module":
                member = self.chosen(_at(graph, node.target, scope), scope)
                if op == "choice":
                    if isinstance(member, Pick):
                        made[id(node)] = self.picked(frozen, node.name, member, args, node.when)
                        continue
                    op = "module" if isinstance(member, Unit) else "graph"
                    if op == "graph":  # an opened candidate takes the values only; what was fixed is in its steps
                        args, kwargs = tuple([value(item) for item in nodes_in((node.args, node.kwargs))]), None
                if _is_word(member):
                    made[id(node)] = copy = Node(node.name, "function", "torch.zeros_like", args[:1], kwargs, node.when)
                    nodes.append(copy)
                    continue
            made[id(node)] = copy = Node(node.name, op, node.target, args, kwargs, node.when)
            nodes.append(copy)

    def member(self, member: Member, scope: Scope) -> Member:
        if isinstance(member, Unit):
            return self.unit(member)
        if isinstance(member, Graph):
            return self.graph(member, scope)
        if isinstance(member, Tensor):
            inner = member.value
            return member if isinstance(inner, Local) else replace(member, value=self.unit(inner))
        if isinstance(member, Choice):
            return self.member(self.candidate(member), scope)
        if isinstance(member, Repeated):
            return self.chain(member.blocks[: self.depth(member)], scope)
        return member

    def chosen(self, member: Member, scope: Scope) -> Member:
        """What stands behind choices within choices."""
        while isinstance(member, Choice | Shared):
            member = self.candidate(member) if isinstance(member, Choice) else scope[member.name]
        return member

    def candidate(self, member: Choice) -> Member:
        token = self.token(member.pick)
        try:
            return member.candidates[token]
        except (KeyError, TypeError):
            known = ", ".join(map(repr, member.candidates))
            raise SpaceError(
                f"{member.pick!r} gives {token!r}, and the candidates are {known}: give one of them"
            ) from None

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

        kwargs = {key: value(item) for key, item in unit.kwargs.items()}
        return Unit(unit.target, tuple(map(value, unit.args)), kwargs, unit.changed)

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

    def chain(self, blocks: Sequence[Member], scope: Scope) -> Graph:
        """Modules one after the other, as `nn.Sequential` runs them."""
        graph = Graph("Sequential", None, [], "torch.nn.Sequential")
        last: Any = graph.add("input", "x", name="x")
        for name, block in enumerate(blocks):
            chosen = self.chosen(block, scope)
            if isinstance(chosen, Pick):
                last = self.picked(graph, f"x_{name}", chosen, (last,))
            elif _is_word(chosen):
                last = graph.add("function", "torch.zeros_like", (last,), name=f"x_{name}")
            else:
                graph.members[str(name)] = self.member(block, scope)
                op: Op = "module" if isinstance(chosen, Unit) else "graph"
                last = graph.add(op, str(name), (last,), name=f"x_{name}")
        graph.add("output", "output", (last,))
        return graph

    def picked(self, graph: Graph, name: str, member: Pick, inputs: tuple[Any, ...], when: When = ()) -> Any:
        """What an input choice gives: one of its inputs, or the nodes that reduce several."""
        token = self.token(member.pick)
        if len(inputs) == 1 and isinstance(inputs[0], list | tuple):
            (inputs,) = inputs
        try:
            chosen = [inputs[i] for i in (token if isinstance(token, tuple) else (token,))]
            first = chosen[0]
        except (IndexError, TypeError):
            raise SpaceError(f"{member.pick!r} gives {token!r}: give a position below {len(inputs)}, or some") from None
        if member.reduction == "none":
            return tuple(chosen)
        if len(chosen) == 1:
            return first
        if member.reduction == "concat":
            return graph.add("function", "torch.cat", (chosen, 1), name=name, when=when)
        total = first
        for item in chosen[1:]:
            total = graph.add("function", "operator.add", (total, item), name=name, when=when)
        if member.reduction == "mean":
            total = graph.add("function", "operator.truediv", (total, len(chosen)), name=name, when=when)
        return total


def _at(graph: Graph, path: str, shared: Scope) -> Member:
    """The member at a path below a graph."""
    member = graph.members.get(path)
    return find(graph, path, shared)[0] if member is None or isinstance(member, Shared) else member


def _is_word(member: Member) -> bool:
    """Whether a member is a word of spaces that leaves no module behind."""
    return isinstance(member, Pick) or (isinstance(member, Unit) and member.target in ZEROS)
