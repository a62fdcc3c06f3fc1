"""Reduce: a forward pass with fewer steps that computes exactly the same."""

from __future__ import annotations

from typing import Any

from raynas.graph import kinds
from raynas.graph.abstract import Abstract, Value
from raynas.graph.graph import Graph
from raynas.graph.member import Member
from raynas.graph.node import Node, When, map_nodes, nodes_in
from raynas.graph.plain import does_something, is_plain, key_of


def reduced(graph: Graph, scope: dict[str, Member]) -> list[Node]:
    """The steps of a graph as new ones, without those that others can stand for, nor those that nobody needs."""
    whole = graph.nodes
    if is_plain(graph, scope):
        graph.notes["plain"] = does_something(graph)
        return _copies(whole)
    while True:
        reduction = _Reduction(graph, scope)
        steps = reduction.run()
        if not reduction.ordered or len(steps) == len(graph.nodes):
            break
        graph.nodes = steps  # with fewer steps, less may be seen of what is written in place
    graph.nodes = whole
    return _needed(steps, reduction.known)


def _copies(nodes: list[Node]) -> list[Node]:
    made: dict[Node, Node] = {}
    for node in nodes:
        args = tuple([made[arg] if type(arg) is Node else map_nodes(arg, made.__getitem__) for arg in node.args])
        kwargs = map_nodes(node.kwargs, made.__getitem__) if node.kwargs else None
        made[node] = Node(node.name, node.op, node.target, args, kwargs, node.when)
    return list(made.values())


class _Reduction:
    """One run over the steps, in their order.

    Attributes:
        known: what is known of the steps, old and new.
        ordered: whether a step writes in place what another one may look at: then all steps but identities stay.
        written: values that are written to: none of them stands for another, nor another for it.
        zeros: by shape and modes, the first value that surely is zero; None where there is none in the whole graph.
        shaped: by shape and modes, the first value.
        seen: values that can stand for later ones.
    """

    def __init__(self, graph: Graph, scope: dict[str, Member]) -> None:
        self.old = graph.nodes
        self.known = Abstract(graph, scope)
        self.ordered = self.known.writes_in_place
        self.written = self._written()
        self.zeros: dict[tuple[object, When], Node] | None = {} if not self.ordered and self.known.makes_zeros else None
        self.shaped: dict[tuple[object, When], Node] = {}
        self.seen: dict[Any, Node] = {}

    def _written(self) -> set[Node]:
        """What is written to: the values themselves, and those that they would be without a zero in a sum."""
        found = self.known.written()
        for node in reversed(self.old) if found else ():
            if node in found and node.target in kinds.SUMS:
                found.update(node.inputs())
        return found

    def run(self) -> list[Node]:
        made: dict[Node, Node] = {}
        steps: list[Node] = []
        for old in self.old:
            args = tuple([made[arg] if type(arg) is Node else map_nodes(arg, made.__getitem__) for arg in old.args])
            kwargs = map_nodes(old.kwargs, made.__getitem__) if old.kwargs else None
            place = self.known.passes(old)
            if place is not None and place < len(args) and isinstance(args[place], Node):
                made[old] = args[place]
                continue
            if old.op == "select":
                args = tuple([_in_modes(arg, (*old.when, (old.target, not i))) for i, arg in enumerate(args)])
                if isinstance(args[0], Node) and args[0] is args[1]:
                    made[old] = args[0]
                    continue
            elif old.when:
                args, kwargs = _in_modes((args, kwargs), old.when)
            made[old] = new = Node(old.name, old.op, old.target, args, kwargs, old.when)
            if not self.ordered:
                same = self.zeroed(new, old) if self.zeros is not None else None
                if same is None and old not in self.written:
                    form = self.form(new)
                    same = self.seen.setdefault(form, new) if form is not None else new
                    if same.when != new.when and not _in_both(same, new):
                        same = new
                if same is not None and same is not new:
                    made[old] = same
                    continue
            steps.append(new)
        return steps

    def zeroed(self, node: Node, old: Node) -> Node | None:
        """An earlier step that gives the same as this one, which was `old`, because of zeros; zeros come out alike."""
        assert self.zeros is not None
        shape, zero, _ = self.known.learn(node) if node.op != "output" else Value(None)
        same = self.sum_without_zero(node, old)
        if same is None and zero and old not in self.written:
            same = self.zeros.setdefault((shape, node.when), node)
        if same is not None and same is not node:
            return same
        first = self.shaped.setdefault((shape, node.when), node)
        if node.target == "torch.zeros_like" and first is not node and len(node.args) == 1:
            node.args = (first,)  # zeros are made like the first value of their shape, whatever they were made like
        return None

    def sum_without_zero(self, node: Node, old: Node) -> Node | None:
        """The other term of a sum with a zero of the same shape and dtype."""
        if node.target not in kinds.SUMS or node.op != "function" or len(node.args) != 2 or node.kwargs:
            return None
        left, right = node.args
        if not (isinstance(left, Node) and isinstance(right, Node)):
            return None
        one, two = self.known[left], self.known[right]
        if one.shape is not two.shape or not (one.zero or two.zero):
            return None
        place = 1 if one.zero else 0
        if old in self.written and not self.known.owns(old.args[place]):
            return None  # what is written into the sum must not be seen in the term
        return right if one.zero else left

    def form(self, node: Node) -> Any:
        """A key that two steps share if one can stand for the other; None for one that nothing can stand for."""
        op, what = node.op, node.target
        if op == "module":
            unit = self.known.unit(node)
            if unit is None or not unit.nature.twin:
                return None
            what = unit.text
        elif op == "function":
            if what not in kinds.DETERMINISTIC_FUNCTIONS or kinds.writes(node, None):
                return None
        elif op == "method":
            if what not in kinds.PURE_METHODS:
                return None
        elif op not in ("attribute", "select"):
            return None
        return op, what, key_of(node.args), key_of(node.kwargs) if node.kwargs else None


def _in_modes(value: Any, when: When) -> Any:
    """What a value is in some modes: of each select in it, the value that these give."""
    known = dict(when)

    def of(node: Node) -> Node:
        while node.op == "select" and node.target in known:
            inner = node.args[0 if known[node.target] else 1]
            if not isinstance(inner, Node):
                break
            node = inner
        return node

    return map_nodes(value, of)


def _in_both(first: Node, second: Node) -> bool:
    """Have the first of two equal steps run in the modes of both, if no others come with that; whether it now does."""
    common = tuple([pair for pair in first.when if pair in second.when])
    rest, other = (set(when).difference(common) for when in (first.when, second.when))
    opposite = len(rest) == 1 and other == {(path, not value) for path, value in rest}
    if rest and other and not opposite:
        return False
    first.when = common
    return True


def _needed(steps: list[Node], known: Abstract) -> list[Node]:
    """The steps without those whose results nobody uses and that do nothing else."""
    needed: set[Node] = set()
    kept: list[Node] = []
    for node in reversed(steps):
        if node in needed or node.op in ("input", "output") or not known.is_pure(node):
            for arg in node.args:
                if type(arg) is Node:
                    needed.add(arg)
                else:
                    needed.update(nodes_in(arg))
            if node.kwargs:
                needed.update(nodes_in(node.kwargs))
            kept.append(node)
    return kept[::-1]
