"""Branches: a forward that asks whether modules train, followed each way and put together again.

Steps that both ways take stand once; the others run in one mode only; where a step goes on with the value of either,
a `select` stands before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from torch import fx

from raynas.graph.node import When
from raynas.pytorch import nones
from raynas.pytorch.alignment import aligned
from raynas.pytorch.flags import FLAG, WHEN, plain, select, used, when_of
from raynas.pytorch.proxy import Untraceable

LIMIT = 8
"""In so many ways a forward is followed at most."""

Told = dict[str, bool]
"""The flags that a forward has asked for, by path, in order, and what it was told."""


T = TypeVar("T")


class Ways(Generic[T]):
    """The ways through one forward.

    Args:
        way: traces it once, given what it is told; adds what it asks for, with True as the answer.
        join: puts together what it gives for True and for False, given the flag's path.
    """

    def __init__(self, way: Callable[[Told], T], join: Callable[[str, T, T], T]) -> None:
        self._way = way
        self._join = join
        self._count = 0

    def follow(self, told: Told | None = None) -> T:
        """All ways that begin with these answers, put together."""
        self._count += 1
        if self._count > LIMIT:
            raise Untraceable(f"decides in more than {LIMIT} ways by which modules train")
        before = dict(told or {})
        asked = dict(before)
        found = self._way(asked)
        flags = list(asked)[len(before) :]
        for position in range(len(flags) - 1, -1, -1):
            answers = {**before, **dict.fromkeys(flags[:position], True), flags[position]: False}
            found = self._join(flags[position], found, self.follow(answers))
        return found


class Joined:
    """The graph of both ways through a forward.

    Args:
        flag: path of the `training` that was asked for.
        yes: what was done where it is true.
        no: what was done where it is false.

    Attributes:
        graph: of both.
    """

    def __init__(self, flag: str, yes: fx.Graph, no: fx.Graph) -> None:
        self.flag = flag
        self.graph = fx.Graph()
        self._made: tuple[dict[fx.Node, fx.Node], dict[fx.Node, fx.Node]] = ({}, {})
        self._places: dict[fx.Node, int] = {}
        self._both: list[fx.Node] = []
        self._ends: dict[fx.Node, int] = {}
        self._selects: dict[tuple[fx.Node, fx.Node], fx.Node] = {}
        self._inputs(yes, no)
        sides = [used(graph) for graph in (yes, no)]
        self._read = self._reads(*sides)
        mine, its = ([node for node in nodes if self._is_step(node)] for nodes in sides)
        for one, other in aligned(mine, its, flag):
            if other is None and one is not None:
                self._apart(one, True)
            elif one is None and other is not None:
                self._apart(other, False)
            elif one is not None and other is not None:
                self._together(one, other)
        self._settle()

    def _inputs(self, yes: fx.Graph, no: fx.Graph) -> None:
        pairs = [[node for node in graph.nodes if node.op == "placeholder"] for graph in (yes, no)]
        if [node.target for node in pairs[0]] != [node.target for node in pairs[1]]:
            raise Untraceable("takes other inputs while it trains")
        for one, other in zip(*pairs, strict=True):
            self._made[0][one] = self._made[1][other] = self._copied(one, one.args, one.kwargs)

    def _reads(self, yes: list[fx.Node], no: list[fx.Node]) -> dict[str, fx.Node]:
        """What both ways read of the module, and the flag: read once, before anything else."""
        found = {str(node.target): node for node in yes if node.op == "get_attr"}
        both = [str(node.target) for node in no if node.op == "get_attr" and str(node.target) in found]
        made = {path: self._copied(found[path], (), {}) for path in dict.fromkeys(both)}
        if self.flag not in made:
            made[self.flag] = self.graph.create_node("get_attr", self.flag, (), {})
        return made

    def _is_step(self, node: fx.Node) -> bool:
        return node.op != "placeholder" and not (node.op == "get_attr" and str(node.target) in self._read)

    def _copied(self, node: fx.Node, args: Any, kwargs: Any) -> fx.Node:
        made = self.graph.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = dict(node.meta)
        return made

    def _value(self, node: fx.Node, side: int) -> fx.Node:
        """The new node that stands for an old one."""
        known = self._made[side].get(node)
        return self._read[str(node.target)] if known is None else known

    def _values(self, value: Any, side: int) -> Any:
        return fx.node.map_arg(value, lambda node: self._value(node, side))

    def _apart(self, node: fx.Node, yes: bool) -> None:
        """A step that one way takes."""
        side = 0 if yes else 1
        made = self._copied(node, self._values(node.args, side), self._values(node.kwargs, side))
        made.meta[WHEN] = ((self.flag, yes), *when_of(node))
        self._made[side][node] = made
        self._places[made] = len(self._both)

    def _together(self, one: fx.Node, other: fx.Node) -> None:
        """A step that both ways take."""
        when = when_of(one)
        args = tuple(self._merged(left, right, when) for left, right in zip(one.args, other.args, strict=True))
        kwargs = {key: self._merged(value, other.kwargs[key], when) for key, value in one.kwargs.items()}
        made = self._made[0][one] = self._made[1][other] = self._copied(one, args, kwargs)
        self._ends[made] = self._places[made] = len(self._both)
        self._both.append(made)

    def _merged(self, one: Any, other: Any, when: When) -> Any:
        """An argument that is one thing in one way, and another in the other."""
        one, other = plain(one, self.flag, True), plain(other, self.flag, False)
        if isinstance(one, fx.Node) and isinstance(other, fx.Node):
            left, right = self._value(one, 0), self._value(other, 1)
            return left if left is right else self._select(left, right, when)
        if isinstance(one, slice) and isinstance(other, slice):
            ends = ((one.start, other.start), (one.stop, other.stop), (one.step, other.step))
            return slice(*(self._merged(left, right, when) for left, right in ends))
        if type(one) is type(other) and type(one) in SEQUENCES and len(one) == len(other):
            items = [self._merged(left, right, when) for left, right in zip(one, other, strict=True)]
            return tuple(items) if isinstance(one, tuple) else items
        if type(one) is type(other) and isinstance(one, dict) and list(one) == list(other):
            return {key: self._merged(item, other[key], when) for key, item in one.items()}
        if one is True and other is False:
            return self._read[self.flag]
        if type(one) is type(other) and repr(one) == repr(other) and not _nodes_in((one, other)):
            return one
        return self._select(self._values(one, 0), self._values(other, 1), when)

    def _select(self, one: Any, other: Any, when: When) -> fx.Node:
        """The node that gives either; behind the steps of one way that it needs, or where it is needed first."""
        key = one, other
        known = isinstance(one, fx.Node) and isinstance(other, fx.Node)
        if known and key in self._selects and self._selects[key].meta[WHEN] == when:
            return self._selects[key]
        inside = _nodes_in(key)
        apart = [self._places[node] for node in inside if len(when_of(node)) > len(when)]
        last = max(apart, default=len(self._both))
        if last < len(self._both) and all(self._ends.get(node, -1) < last for node in inside):
            with self.graph.inserting_before(self._both[last]):
                made = self.graph.call_function(select, key)
        else:
            made = self.graph.call_function(select, key)
        made.meta.update({FLAG: self.flag, WHEN: when, nones.MAYBE: False, nones.ITEMS: False})
        for value in key:
            made.meta[nones.MAYBE] |= value is None or (isinstance(value, fx.Node) and bool(nones.may_be_none(value)))
            made.meta[nones.ITEMS] |= _holds_none(value)
        if known:
            self._selects[key] = made
        return made

    def _settle(self) -> None:
        """Move what is read to where it is used first, and not between steps of one way."""
        order = {node: place for place, node in enumerate(self.graph.nodes)}
        for node in self._read.values():
            if node.users:
                first = min(node.users, key=order.__getitem__)
                while when_of(first) and when_of(first.prev) and first.prev is not node:
                    first = first.prev
                first.prepend(node)


SEQUENCES = (tuple, list, fx.immutable_collections.immutable_list)


def _nodes_in(value: Any) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg(value, found.append)
    return found


def _holds_none(value: Any) -> bool:
    """Whether something in a value may be None."""
    if isinstance(value, fx.Node):
        return nones.has_nones(value)
    if isinstance(value, tuple | list | dict):
        items = value.values() if isinstance(value, dict) else value
        return any(item is None or _holds_none(item) for item in items)
    return False
