"""What is known of a graph's values without running it: which are equal, zero, and of one shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from raynas.graph import form, kinds
from raynas.graph.graph import Graph, find
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node


@dataclass(frozen=True)
class Value:
    """What is known of one value.

    Attributes:
        shape: values with equal ones have the same shape and dtype.
        zero: whether every element is surely zero.
    """

    shape: object
    zero: bool = False


class _Unknown:
    """A shape that is known to be equal to itself only."""

    __slots__ = ()


@dataclass
class _Facts:
    """What was found out of a graph that does not change: see the methods of `Abstract` with these names."""

    pure: bool | None = None
    writes: tuple[bool, bool] | None = None
    results: dict[tuple[Any, ...], tuple[int | None, bool]] = field(default_factory=dict)


_facts: form.Table[_Facts] = form.Table()


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
        self._members: dict[str, tuple[Member, Mapping[str, Member]]] = {}
        self._inputs = inputs
        self._values: dict[int, Value] | None = None

    @cached_property
    def _users(self) -> Counter[int]:
        return Counter(id(earlier) for node in self.graph.nodes for earlier in node.inputs())

    @cached_property
    def writes_in_place(self) -> bool:
        """Whether a step writes into a tensor that another step may look at."""
        return any(self._disturbs(node) for node in self.graph.nodes)

    def __getitem__(self, node: Any) -> Value:
        if not isinstance(node, Node):
            return Value(_Unknown())
        if self._values is None:
            self._values = {}
            given = iter(self._inputs)
            for step in self.graph.nodes:
                value = next(given, None) if step.op == "input" else self._value(step)
                self._values[id(step)] = value or Value(_Unknown())
        return self._values[id(node)]

    def is_zero(self, node: Node) -> bool:
        return self[node].zero

    def same_shape(self, left: Node, right: Node) -> bool:
        return self[left].shape is self[right].shape

    def member(self, node: Node) -> tuple[Member, Mapping[str, Member]]:
        """The member that a step calls, and the shared members known there."""
        if node.target not in self._members:
            self._members[node.target] = find(self.graph, node.target, self.scope)
        return self._members[node.target]

    def unit(self, node: Node) -> Unit | None:
        """The unit that a step calls; None where it calls none."""
        if node.op != "module":
            return None
        member, _ = self.member(node)
        return member if isinstance(member, Unit) else None

    def passes(self, node: Node) -> Node | None:
        """The input that a step gives back as it is."""
        first = node.args[0] if node.args else None
        unit = self.unit(node)
        if unit is not None and unit.target == kinds.IDENTITY and isinstance(first, Node):
            return first
        if node.op == "graph":
            member, _ = self.member(node)
            if isinstance(member, Graph) and member.nodes and len(member.nodes) == len(member.inputs) + 1:
                returned = member.output.args[0]
                for position, entry in enumerate(member.inputs):
                    given = node.args[position] if position < len(node.args) else None
                    if returned is entry and isinstance(given, Node):
                        return given
        return None

    def is_pure(self, node: Node) -> bool:
        """Whether a step does nothing beside computing its value, as far as its name tells."""
        if node.op == "attribute":
            return True
        if node.op == "module":
            unit = self.unit(node)
            return unit is None or not kinds.in_place(unit)
        if node.op == "graph":
            member, scope = self.member(node)
            return isinstance(member, Graph) and bool(member.nodes) and _pure(member, scope)
        if node.op == "method":
            return node.target in kinds.PURE_METHODS
        known = node.target in kinds.DETERMINISTIC_FUNCTIONS or node.target in kinds.RANDOM_FUNCTIONS
        return known and not kinds.writes(node, None)

    def _disturbs(self, node: Node) -> bool:
        if node.op == "graph":
            member, scope = self.member(node)
            if not isinstance(member, Graph) or not member.nodes:
                return False
            writes, beyond_inputs = _writes(member, scope)
            return writes and (beyond_inputs or not all(self._own(arg) for arg in node.args))
        if not kinds.writes(node, self.unit(node)):
            return False
        return not self._own(node.args[0] if node.args else None)

    def writes_beyond_inputs(self) -> bool:
        """Whether what is written to is more than inputs that only the writing step looks at."""

        def into_input(node: Node) -> bool:
            first = node.args[0] if node.args else None
            return isinstance(first, Node) and first.op == "input" and self._users[id(first)] == 1

        return any(self._disturbs(node) and not into_input(node) for node in self.graph.nodes)

    def _own(self, value: Any) -> bool:
        """Whether a value is new, and looked at by one step only."""
        if not isinstance(value, Node) or self._users[id(value)] != 1:
            return False
        unit = self.unit(value)
        if unit is not None:
            return unit.target in kinds.FRESH or (kinds.in_place(unit) and self._own(value.args[0]))
        if value.op != "function":
            return False
        if value.target == "operator.iadd":
            return self._own(value.args[0])
        return value.target in kinds.SUMS | kinds.PRODUCTS or value.target == "torch.cat"

    def _value(self, node: Node) -> Value:
        first = self[node.args[0]] if node.args else Value(_Unknown())
        if node.op == "module":
            return self._called(node, first)
        if node.op == "graph":
            return self._opened(node)
        if node.op == "function":
            return self._computed(node, first)
        return Value(_Unknown())

    def _called(self, node: Node, first: Value) -> Value:
        unit = self.unit(node)
        if unit is None:
            return Value(_Unknown())
        if unit.target == kinds.IDENTITY:
            return first
        zero = first.zero and kinds.keeps_zero(unit)
        return Value(first.shape if kinds.keeps_shape(unit) else _Unknown(), zero)

    def _opened(self, node: Node) -> Value:
        member, scope = self.member(node)
        if not isinstance(member, Graph) or not member.nodes:
            return Value(_Unknown())
        return _result(member, scope, [self[arg] for arg in node.args])

    def _computed(self, node: Node, first: Value) -> Value:
        if node.target == "torch.zeros_like":
            changed = len(node.args) > 1 or set(node.kwargs) - {"requires_grad"}
            return Value(_Unknown() if changed else first.shape, zero=True)
        if node.target in kinds.ELEMENTWISE and not node.kwargs:
            return Value(first.shape, first.zero and node.target in kinds.ELEMENTWISE_KEEP_ZERO)
        if node.target in kinds.SUMS | kinds.PRODUCTS and len(node.args) == 2 and not node.kwargs:
            second = self[node.args[1]]
            if first.shape is second.shape:
                return Value(first.shape, first.zero and second.zero)
        return Value(_Unknown())


def _known(graph: Graph) -> _Facts:
    """Where to keep what is found out of a graph: with its form, if it has one."""
    name = form.of(graph)
    if name is None:
        return _Facts()
    return _facts[name] if name in _facts else _facts.note(name, _Facts())


def _pure(graph: Graph, scope: Mapping[str, Member]) -> bool:
    facts = _known(graph)
    if facts.pure is None:
        inside = Abstract(graph, scope)
        facts.pure = all(inside.is_pure(step) for step in graph.nodes if step.op not in ("input", "output"))
    return facts.pure


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
    key = tuple((place, value.zero) for place, value in zip(places, inputs, strict=True))
    facts = _known(graph)
    if key not in facts.results:
        returned = graph.output.args[0]
        value = Abstract(graph, scope, inputs)[returned] if isinstance(returned, Node) else Value(_Unknown())
        place = next((i for i, shape in enumerate(shapes) if shape is value.shape), None)
        facts.results[key] = place, value.zero
    place, zero = facts.results[key]
    return Value(_Unknown() if place is None else shapes[place], zero)
