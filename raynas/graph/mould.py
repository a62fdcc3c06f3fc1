"""Mould: a forward pass as lines that hold for every graph of its form."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from raynas.graph import form, kinds, shell
from raynas.graph.graph import Graph, find
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node
from raynas.graph.texts import text_of, text_with

Line: TypeAlias = tuple[str, str, str, tuple[int, ...], bool, str, bool]
"""One step of a forward pass, without what tells graphs of one form apart: the node's op and target; label, operands
(places in the forward pass), whether they are free, and role, as in `Step`; whether the unit that it calls has
parameters."""


class Mould(NamedTuple):
    """What all graphs of one form have in common.

    Attributes:
        lines: one for each step of the forward pass.
        inputs: how many of them are inputs.
        calls: the graphs that are called, in the order of the steps.
        below: their moulds; None for one that has none.
        writes: whether a step, here or in what is called, may write in place.
        own: whether one that is no call may.
    """

    lines: tuple[Line, ...]
    inputs: int
    calls: tuple[str, ...]
    below: tuple[Mould | None, ...]
    writes: bool
    own: bool


def mould_of(graph: Graph, scope: Mapping[str, Member]) -> Mould | None:
    """What all graphs of this form have in common; None where a value is more than one step's."""
    known, outline = form.of(graph), shell.of(graph)
    if known is not None and known.mould is not None:
        return known.mould or None
    found = _again(outline.mould, graph) if outline is not None and outline.mould is not None else None
    found = found or _mould(graph, scope)
    if outline is not None:
        outline.mould = found
    if known is not None:
        known.mould = found or False
    return found


def _again(mould: Mould, graph: Graph) -> Mould | None:
    """The mould of another graph of the same shell; None where one of the graphs that it calls has none."""
    writes = mould.own
    found: list[Mould] = []
    for name in mould.calls:
        member = graph.members[name]
        below = mould_of(member, {}) if isinstance(member, Graph) else None
        if below is None:
            return None
        writes = writes or below.writes
        found.append(below)
    return Mould(mould.lines, mould.inputs, mould.calls, tuple(found), writes, mould.own)


def _mould(graph: Graph, scope: Mapping[str, Member]) -> Mould | None:
    places: dict[Node, int] = {}
    lines: list[Line] = []
    writes = own = False
    calls: list[tuple[str, Mould | None]] = []
    for place, node in enumerate(graph.nodes):
        places[node] = place
        op, target, args = node.op, node.target, node.args
        adds = swaps = free = owner = False
        if node.when or op == "select":
            return None
        if op == "input":
            lines.append((op, target, default_of(node), (), False, "", False))
            continue
        if op == "module":
            unit = graph.members.get(target)
            if type(unit) is not Unit:
                unit = find(graph, target, scope)[0]
                assert isinstance(unit, Unit)
            nature = unit.nature
            label, role, owner = unit.text, nature.role, not nature.stateless
            own = own or nature.in_place
        elif op == "graph":
            member, inner = find(graph, target, scope)
            assert isinstance(member, Graph)
            below = mould_of(member, inner)  # which tells that it gives one value
            if below is None and not _gives_one(member, inner):
                return None
            writes = writes or below is None or below.writes
            label, role = "", ""
            calls.append((target, below))
        elif op == "attribute":
            return None
        else:
            label, role, adds, swaps, calm = _named(op, target)
            own = own or ((not calm or bool(node.kwargs)) and kinds.writes(node, None))
            if adds or swaps:
                args = number_last(args, node.kwargs)
        if len(args) == 1 and type(args[0]) is Node and not node.kwargs:
            operands: tuple[int, ...] = (places[args[0]],)
            label = f"{label} tuple[tuple[#],{{}}]"
        elif len(args) == 2 and type(args[0]) is Node and type(args[1]) is Node and not node.kwargs:
            operands = (places[args[0]], places[args[1]])
            label = f"{label} tuple[tuple[#,#],{{}}]"
            free, role = swaps, "plus" if adds else role
        else:
            used: list[int] = []
            label = f"{label} {_text((args, node.kwargs), places, used)}"
            operands = tuple(used)
        lines.append((op, target, label, operands, free, role, owner))
    count = sum([line[0] == "input" for line in lines])
    if not _gives_one(graph, scope):
        return None
    names, moulds = tuple([name for name, _ in calls]), tuple([below for _, below in calls])
    return Mould(tuple(lines), count, names, moulds, writes or own, own)


def default_of(node: Node) -> str:
    """What an input is where it is not passed."""
    return f" default {text_of(node.args[0])}" if node.args else ""


def _text(value: Any, places: Mapping[Node, int], operands: list[int]) -> str:
    def of(item: Any) -> str:
        if isinstance(item, Node):
            operands.append(places[item])
            return "#"
        return text_of(item)

    return text_with(value, of)


@lru_cache(maxsize=4096)
def _named(op: str, target: str) -> tuple[str, str, bool, bool, bool]:
    """What the name of a function or method tells.

    Returns:
        How its label begins; its role; whether of two operands it makes a sum; whether they can be swapped; and whether
        it writes in place only where a keyword argument says so.
    """
    function = op == "function"
    role = kinds.ROLES.get(target, "") if function else "keeps" if target in kinds.TENSOR_METHODS else ""
    adds, swaps = function and target in kinds.SUMS, function and target in kinds.SWAPPED
    return f"{op} {target}", role, adds, swaps, function and kinds.is_calm(target)


def shape_of(node: Node) -> tuple[bool, str]:
    """Whether the order of a function's or method's operands makes no difference, and its role: see `Step`."""
    _, role, adds, swaps, _ = _named(node.op, node.target)
    pair = len(node.args) == 2 and not node.kwargs and all(isinstance(arg, Node) for arg in node.args)
    return pair and swaps, "plus" if pair and adds else role


def number_last(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments of a function whose operands can be swapped: `1 + x` is `x + 1`."""
    return args[::-1] if len(args) == 2 and not kwargs and type(args[0]) in (int, float, bool, complex) else args


def _gives_one(member: Member, scope: Mapping[str, Member]) -> bool:
    """Whether calling a graph surely gives the value of one step, rather than a container of several."""
    if not isinstance(member, Graph) or not member.nodes:
        return False
    returned = member.output.args[0]
    if not isinstance(returned, Node) or returned.op == "input":
        return False
    if returned.op != "graph":
        return True
    inner, further = find(member, returned.target, scope)
    return _gives_one(inner, further)
