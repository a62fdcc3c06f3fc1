"""What is known of a graph's values without running it: which are equal, zero, of one shape, and surely tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raynas.graph import kinds
from raynas.graph.graph import Graph, find
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node


@dataclass(frozen=True)
class Value:
    """What is known of one value.

    Attributes:
        shape: values with equal ones have the same shape and dtype.
        zero: whether every element is surely zero.
        tensor: whether it is surely one tensor.
    """

    shape: object
    zero: bool = False
    tensor: bool = False


class Abstract:
    """What is known of the values of a graph's steps.

    Args:
        graph: frozen.
        scope: the shared members that are known where it stands.
        inputs: what is known of its inputs.
    """

    def __init__(self, graph: Graph, scope: Mapping[str, Member], inputs: list[Value] | None = None) -> None:
        self.graph = graph
        self.scope = scope
        self._members: dict[str, tuple[Member, Mapping[str, Member]]] = {}
        self._users = Counter(id(earlier) for node in graph.nodes for earlier in node.inputs())
        self._values: dict[int, Value] = {}
        given = iter(inputs or [])
        for node in graph.nodes:
            self._values[id(node)] = next(given, Value(object())) if node.op == "input" else self._value(node)
        self.writes_in_place = any(self._disturbs(node) for node in graph.nodes)

    def __getitem__(self, node: Any) -> Value:
        return self._values[id(node)] if isinstance(node, Node) else Value(object())

    def is_zero(self, node: Node) -> bool:
        return self[node].zero

    def same_shape(self, left: Node, right: Node) -> bool:
        return self[left].shape == self[right].shape

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
            if isinstance(member, Graph) and len(member.nodes) == len(member.inputs) + 1:
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
            if not isinstance(member, Graph) or not member.nodes:
                return False
            inside = Abstract(member, scope)
            return all(inside.is_pure(step) for step in member.nodes if step.op not in ("input", "output"))
        if node.op == "method":
            return node.target in kinds.PURE_METHODS
        known = node.target in kinds.DETERMINISTIC_FUNCTIONS or node.target in kinds.RANDOM_FUNCTIONS
        return known and not kinds.writes(node, None)

    def _disturbs(self, node: Node) -> bool:
        """Whether a step writes into a tensor that another step may look at."""
        if node.op == "graph":
            member, scope = self.member(node)
            return isinstance(member, Graph) and bool(member.nodes) and not self._harmless(member, scope, node)
        if not kinds.writes(node, self.unit(node)):
            return False
        return not self._own(node.args[0] if node.args else None)

    def _harmless(self, member: Graph, scope: Mapping[str, Member], node: Node) -> bool:
        """Whether what a called graph writes into is its own, or handed over by the call alone."""
        inside = Abstract(member, scope)
        if not inside.writes_in_place:
            return True
        handed = [self._own(arg) for arg in node.args]
        return all(handed) and not any(
            inside._disturbs(step)
            and not (
                step.args
                and isinstance(step.args[0], Node)
                and step.args[0].op == "input"
                and inside._users[id(step.args[0])] == 1
            )
            for step in member.nodes
        )

    def _own(self, value: Any) -> bool:
        """Whether a value is new, and looked at by one step only."""
        if not isinstance(value, Node) or self._users[id(value)] != 1:
            return False
        unit = self.unit(value)
        if unit is not None:
            return unit.target in kinds.FRESH or (kinds.in_place(unit) and self._own(value.args[0]))
        return (
            value.op == "function"
            and value.target in kinds.SUMS | kinds.PRODUCTS | {"torch.cat", "operator.iadd"}
            and (value.target != "operator.iadd" or self._own(value.args[0]))
        )

    def _value(self, node: Node) -> Value:
        first = self[node.args[0]] if node.args else Value(object())
        if node.op == "module":
            return self._called(node, first)
        if node.op == "graph":
            return self._opened(node)
        if node.op == "function":
            return self._computed(node, first)
        if node.op == "method":
            return Value(object(), tensor=node.target in kinds.TENSOR_METHODS and first.tensor)
        return Value(object(), tensor=node.op == "attribute" and node.target.rpartition(".")[2] != "training")

    def _called(self, node: Node, first: Value) -> Value:
        unit = self.unit(node)
        if unit is None:
            return Value(object())
        if unit.target == kinds.IDENTITY:
            return first
        tensor = unit.target in kinds.FRESH or (
            unit.target in kinds.STATELESS and not unit.kwargs.get("return_indices")
        )
        zero = first.zero and kinds.keeps_zero(unit)
        return Value(first.shape if kinds.keeps_shape(unit) else object(), zero, tensor)

    def _opened(self, node: Node) -> Value:
        member, scope = self.member(node)
        if not isinstance(member, Graph) or not member.nodes:
            return Value(object())
        inside = Abstract(member, scope, [self[arg] for arg in node.args])
        returned = member.output.args[0]
        return inside[returned] if isinstance(returned, Node) else Value(object())

    def _computed(self, node: Node, first: Value) -> Value:
        if node.target == "torch.zeros_like":
            changed = set(node.kwargs) - {"requires_grad"}
            return Value(object() if changed or len(node.args) > 1 else first.shape, zero=True, tensor=True)
        if node.target in kinds.ELEMENTWISE and not node.kwargs:
            return Value(first.shape, first.zero and node.target in kinds.ELEMENTWISE_KEEP_ZERO, tensor=True)
        if node.target in kinds.SUMS | kinds.PRODUCTS and len(node.args) == 2 and not node.kwargs:
            second = self[node.args[1]]
            number = isinstance(node.args[1], int | float) or isinstance(node.args[0], int | float)
            tensor = first.tensor or second.tensor
            if isinstance(node.args[0], Node) and isinstance(node.args[1], Node) and first.shape == second.shape:
                zero = first.zero and second.zero
                return Value(first.shape, zero, tensor)
            return Value(object(), tensor=tensor and not number)
        if node.target == "operator.getitem":
            return Value(object(), tensor=first.tensor)
        return Value(object(), tensor=node.target in kinds.TENSOR_FUNCTIONS)
