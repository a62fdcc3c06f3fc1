"""Mould: a forward pass as lines that hold for every graph of its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from raynas.graph import form, kinds
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
        writes: whether a step, here or in what is called, may write in place.
    """

    lines: tuple[Line, ...]
    writes: bool


PLAIN = tuple([f"tuple[tuple[{','.join('#' * count)}],{{}}]" for count in range(4)])
"""The texts of up to three arguments that are values of other steps."""


NODES = {Node}


def mould_of(graph: Graph, scope: Mapping[str, Member]) -> Mould | None:
    """What all graphs of this form have in common; None where a value is more than one step's."""
    known = form.of(graph)
    if known is None:
        return _mould(graph, scope)
    if known.mould is None:
        known.mould = _mould(graph, scope) or False
    return known.mould or None


def _mould(graph: Graph, scope: Mapping[str, Member]) -> Mould | None:
    places: dict[Node, int] = {}
    lines: list[Line] = []
    writes = False
    for place, node in enumerate(graph.nodes):
        places[node] = place
        op, target, args, owner = node.op, node.target, node.args, False
        if op == "input":
            lines.append((op, target, "", (), False, "", False))
            continue
        if op == "module":
            unit = graph.members.get(target)
            if type(unit) is not Unit:
                unit = find(graph, target, scope)[0]
                assert isinstance(unit, Unit)
            nature = unit.nature
            label, role, owner = unit.text, "maps" if nature.maps else "", not nature.stateless
            writes = writes or nature.in_place
        elif op == "graph":
            member, inner = find(graph, target, scope)
            if not _gives_one(member, inner):
                return None
            assert isinstance(member, Graph)
            below = mould_of(member, inner)
            writes = writes or below is None or below.writes
            label = role = ""
        elif op == "attribute":
            return None
        else:
            label, role = f"{op} {target}", role_of(node, None)
            writes = writes or kinds.writes(node, None)
        if not node.kwargs and set(map(type, args)) == NODES and len(args) < len(PLAIN):
            operands = tuple([places[arg] for arg in args])
            label = f"{label} {PLAIN[len(args)]}"
        else:
            used: list[int] = []
            label = f"{label} {_text((args, node.kwargs), places, used)}"
            operands = tuple(used)
        lines.append((op, target, label, operands, target in kinds.SWAPPED and is_free(node), role, owner))
    return Mould(tuple(lines), writes) if _gives_one(graph, scope) else None


def _text(value: Any, places: Mapping[Node, int], operands: list[int]) -> str:
    def of(item: Any) -> str:
        if isinstance(item, Node):
            operands.append(places[item])
            return "#"
        return text_of(item)

    return text_with(value, of)


def is_free(node: Node) -> bool:
    """Whether two operands can be swapped, whatever they are."""
    if node.op != "function" or node.target not in kinds.SWAPPED:
        return False
    return len(node.args) == 2 and not node.kwargs and all(isinstance(arg, Node) for arg in node.args)


def role_of(node: Node, unit: Unit | None) -> str:
    """What is known of a step's value: see `Step.role`."""
    if unit is not None:
        return "maps" if unit.nature.maps else ""
    if node.op == "method":
        return "keeps" if node.target in kinds.TENSOR_METHODS else ""
    if node.op == "attribute":
        return "" if node.target.rpartition(".")[2] == "training" else "gives"
    if node.target in kinds.SUMS:
        plain = len(node.args) == 2 and not node.kwargs and set(map(type, node.args)) == NODES
        return "plus" if plain else ""
    if node.target in kinds.ELEMENTWISE:
        return "maps"
    return "gives" if node.target in kinds.TENSOR_FUNCTIONS else "keeps" if node.target == "operator.getitem" else ""


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
