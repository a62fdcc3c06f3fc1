"""Mould: a forward pass as lines that hold for every graph of its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from raynas.graph import form, kinds
from raynas.graph.graph import Graph, find
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node
from raynas.graph.texts import text_of, text_with


class Line(NamedTuple):
    """One step of a forward pass, without what tells graphs of one form apart.

    Attributes:
        op, target: the node's.
        label, operands, free, role: as in `Step`; operands are places in the forward pass.
        owner: whether the unit that it calls has parameters.
    """

    op: str
    target: str
    label: str
    operands: tuple[int, ...]
    free: bool
    role: str
    owner: bool


Mould: TypeAlias = tuple[Line, ...]

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
    for place, node in enumerate(graph.nodes):
        op, target = node.op, node.target
        unit: Any = None
        if op == "attribute":
            return None
        if op == "graph":
            member, inner = find(graph, target, scope)
            if not _gives_one(member, inner):
                return None
            label = ""
        elif op == "module":
            found = graph.members.get(target)
            unit = found if type(found) is Unit else find(graph, target, scope)[0]
            assert isinstance(unit, Unit)
            label = unit.text
        else:
            label = f"{op} {target}"
        args = node.args
        if not node.kwargs and len(args) < len(PLAIN) and set(map(type, args)) == NODES:
            operands = tuple([places[arg] for arg in args])
            label = f"{label} {PLAIN[len(args)]}"
        else:
            used: list[int] = []
            label = f"{label} {_text((args, node.kwargs), places, used)}"
            operands = tuple(used)
        owner = unit is not None and not unit.nature.stateless
        lines.append(Line(op, target, label, operands, is_free(node), role_of(node, unit), owner))
        places[node] = place
    return tuple(lines) if _gives_one(graph, scope) else None


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
