"""What is known of a graph's values without running it: which are equal, zero, and of one shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from raynas.graph import form, kinds
from raynas.graph.graph import Graph, find
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node
from raynas.graph.once import once


class Value(NamedTuple):
    """What is known of one value.

    Attributes:
        shape: values with the same one have the same shape and dtype.
        zero: whether every element is surely zero.
        floats: whether its elements are surely floats, or complex.
    """

    shape: object
    zero: bool = False
    floats: bool = False


@dataclass
class _Facts:
    """What was found out of a graph that does not change: see the methods of `Abstract` with these names."""

    pure: bool | None = None
    makes_zeros: bool | None = None
    passed: tuple[int | None] | None = None
    writes: tuple[bool, bool] | None = None
    results: dict[tuple[Any, ...], tuple[int | None, bool, bool]] = field(default_factory=dict)


class Abstract:
    """What is known of the values of a graph's steps.

    Args:
        graph: frozen.
        scope: the shared members that are known where it stands.
        inputs: what is known of its inputs.
    """

    def __init__(self, graph: Graph, scope: Mapping[str, Member], inputs: Sequence[Value] = ()) -> None:
        self.graph = graph
        self.scope = scope
        self._given = iter(inputs)
        self._values: dict[Node, Value] = {}

    @once
    def _writers(self) -> list[Node]:
        return [node for node in self.graph.nodes if self._writes(node)]

    @once
    def _users(self) -> Counter[Node]:
        return Counter(earlier for node in self.graph.nodes for earlier in node.inputs())

    @once
    def writes_in_place(self) -> bool:
        """Whether a step writes into a tensor that another step may look at."""
        return any(self._disturbs(node) for node in self._writers)

    def written(self) -> set[Node]:
        """The values into which some step writes."""
        return {value for node in self._writers for value in self._targets(node) if isinstance(value, Node)}

    def learn(self, node: Node) -> Value:
        """What is known of a step, once that is known of all steps before it."""
        value = self._value(node) if node.op != "input" else next(self._given, None) or Value(object())
        self._values[node] = value
        return value

    def __getitem__(self, node: Any) -> Value:
        """What was learnt of a value."""
        return self._values[node] if isinstance(node, Node) else Value(object())

    def member(self, node: Node) -> tuple[Member, Mapping[str, Member]]:
        """The member that a step calls, and the shared members known there."""
        return find(self.graph, node.target, self.scope)

    def unit(self, node: Node) -> Unit | None:
        """The unit that a step calls; None where it calls none."""
        if node.op != "module":
            return None
        member = self.graph.members.get(node.target)
        if type(member) is not Unit:
            member, _ = self.member(node)
        return member if isinstance(member, Unit) else None

    def passes(self, node: Node) -> int | None:
        """The place of the argument that a step gives back as it is."""
        if node.op == "module":
            unit = self.unit(node)
            return 0 if unit is not None and unit.nature.identity else None
        if node.op == "graph":
            member, _ = self.member(node)
            return _passed(member) if isinstance(member, Graph) else None
        return None

    def is_pure(self, node: Node) -> bool:
        """Whether a step does nothing beside computing its value, as far as its name tells."""
        if node.op in ("attribute", "select"):
            return True
        if node.op == "module":
            unit = self.unit(node)
            return unit is None or not unit.nature.in_place
        if node.op == "graph":
            member, scope = self.member(node)
            return isinstance(member, Graph) and bool(member.nodes) and _pure(member, scope)
        if node.op == "method":
            return node.target in kinds.PURE_METHODS
        known = node.target in kinds.DETERMINISTIC_FUNCTIONS or node.target in kinds.RANDOM_FUNCTIONS
        return known and not kinds.writes(node, None)

    def _writes(self, node: Node) -> bool:
        if node.op == "graph":
            member, scope = self.member(node)
            return isinstance(member, Graph) and bool(member.nodes) and _writes(member, scope)[0]
        return kinds.writes(node, self.unit(node) if node.op == "module" else None)

    @once
    def makes_zeros(self) -> bool:
        """Whether zeros are made anywhere in it, as far as the steps tell."""
        for node in self.graph.nodes:
            if node.target == "torch.zeros_like":
                return True
            if node.op == "graph":
                member, scope = self.member(node)
                if isinstance(member, Graph) and _makes_zeros(member, scope):
                    return True
        return False

    def _targets(self, node: Node) -> tuple[Any, ...]:
        """What a step that writes may write into."""
        if node.op == "graph":
            return (*node.args, *node.kwargs.values())
        return (node.kwargs["out"] if "out" in node.kwargs else node.args[0] if node.args else None,)

    def _disturbs(self, node: Node) -> bool:
        """Whether another step may look at what a step that writes has changed."""
        if node.op == "graph":
            member, scope = self.member(node)
            assert isinstance(member, Graph)
            if _writes(member, scope)[1]:
                return True
        return not all(map(self.owns, self._targets(node)))

    def writes_beyond_inputs(self) -> bool:
        """Whether what is written to is more than inputs that only the writing step looks at."""

        def into_input(node: Node) -> bool:
            targets = self._targets(node)
            if node.op == "graph" or not targets:
                return False
            return all(isinstance(t, Node) and t.op == "input" and self._users[t] == 1 for t in targets)

        return any(self._disturbs(node) and not into_input(node) for node in self._writers)

    def owns(self, value: Any) -> bool:
        """Whether a value is new, and looked at by one step only."""
        if not isinstance(value, Node) or self._users[value] != 1:
            return False
        unit = self.unit(value)
        if unit is not None:
            return unit.nature.fresh or (unit.nature.in_place and self.owns(value.args[0]))
        if value.op != "function":
            return False
        if value.target == "operator.iadd":
            return self.owns(value.args[0])
        return value.target in kinds.ARITHMETIC or value.target == "torch.cat"

    def _value(self, node: Node) -> Value:
        if node.op == "module":
            return self._called(node, self._first(node))
        if node.op == "graph":
            return self._opened(node)
        if node.op == "function":
            return self._computed(node, self._first(node))
        if node.op == "select":
            return self._selected(self[node.args[0]], self[node.args[1]])
        return Value(object())

    def _selected(self, one: Value, other: Value) -> Value:
        shape = one.shape if one.shape is other.shape else object()
        return Value(shape, one.zero and other.zero, one.floats and other.floats)

    def _first(self, node: Node) -> Value:
        return self[node.args[0]] if node.args else Value(object())

    def _called(self, node: Node, first: Value) -> Value:
        unit = self.unit(node)
        if unit is None:
            return Value(object())
        nature = unit.nature
        if nature.identity:
            return first
        kept = nature.keeps_shape and (first.floats or not nature.promotes)
        floats = nature.fresh or (nature.keeps_shape and first.floats)
        return Value(first.shape if kept else object(), first.zero and nature.keeps_zero, floats)

    def _opened(self, node: Node) -> Value:
        member, scope = self.member(node)
        if not isinstance(member, Graph) or not member.nodes:
            return Value(object())
        return _result(member, scope, [self[arg] for arg in node.args])

    def _computed(self, node: Node, first: Value) -> Value:
        target = node.target
        if target in kinds.ARITHMETIC:
            if len(node.args) == 2 and not node.kwargs:
                second = self[node.args[1]]
                if first.shape is second.shape:
                    return Value(first.shape, first.zero and second.zero, first.floats or second.floats)
        elif target == "torch.zeros_like":
            changed = len(node.args) > 1 or set(node.kwargs) - {"requires_grad"}
            return Value(object() if changed else first.shape, True, first.floats and not changed)
        elif target in kinds.ELEMENTWISE and not node.kwargs:
            kept = target != "torch.abs" and (first.floats or target not in kinds.PROMOTING)  # abs: of complex, floats
            zero = first.zero and target in kinds.ELEMENTWISE_KEEP_ZERO
            return Value(first.shape if kept else object(), zero, first.floats)
        return Value(object())


def _known(graph: Graph) -> _Facts:
    """Where to keep what is found out of a graph: with its form, if it has one."""
    known = form.of(graph)
    if known is None:
        return _Facts()
    if known.facts is None:
        known.facts = _Facts()
    facts: _Facts = known.facts
    return facts


def _pure(graph: Graph, scope: Mapping[str, Member]) -> bool:
    facts = _known(graph)
    if facts.pure is None:
        inside = Abstract(graph, scope)
        facts.pure = all(inside.is_pure(step) for step in graph.nodes if step.op not in ("input", "output"))
    return facts.pure


def _makes_zeros(graph: Graph, scope: Mapping[str, Member]) -> bool:
    facts = _known(graph)
    if facts.makes_zeros is None:
        facts.makes_zeros = Abstract(graph, scope).makes_zeros
    return facts.makes_zeros


def _passed(graph: Graph) -> int | None:
    """The place of the input that a called graph gives back as it is."""
    facts = _known(graph)
    if facts.passed is None:
        inputs = graph.inputs
        plain = bool(graph.nodes) and len(graph.nodes) == len(inputs) + 1
        returned = graph.output.args[0] if plain else None
        facts.passed = (next((place for place, entry in enumerate(inputs) if entry is returned), None),)
    return facts.passed[0]


def _writes(graph: Graph, scope: Mapping[str, Member]) -> tuple[bool, bool]:
    """Whether a called graph writes in place, and whether into more than inputs that only one step looks at."""
    facts = _known(graph)
    if facts.writes is None:
        inside = Abstract(graph, scope)
        facts.writes = inside.writes_in_place, inside.writes_in_place and inside.writes_beyond_inputs()
    return facts.writes


def _result(graph: Graph, scope: Mapping[str, Member], inputs: list[Value]) -> Value:
    """What is known of what a called graph returns."""
    shapes: list[object] = []
    for value in inputs:
        if not any(value.shape is shape for shape in shapes):
            shapes.append(value.shape)
    places = [next(i for i, shape in enumerate(shapes) if shape is value.shape) for value in inputs]
    key = tuple([(place, *value[1:]) for place, value in zip(places, inputs, strict=True)])
    facts = _known(graph)
    if key not in facts.results:
        returned = graph.output.args[0]
        inside = Abstract(graph, scope, inputs)
        for step in graph.nodes:
            inside.learn(step)
        value = inside[returned] if isinstance(returned, Node) else Value(object())
        place = next((i for i, shape in enumerate(shapes) if shape is value.shape), None)
        facts.results[key] = place, value.zero, value.floats
    place, zero, floats = facts.results[key]
    return Value(object() if place is None else shapes[place], zero, floats)
