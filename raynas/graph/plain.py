"""Plain: forward passes from which nothing can be taken, told at one glance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from raynas.graph import form, kinds
from raynas.graph.abstract import Abstract
from raynas.graph.graph import Graph
from raynas.graph.member import Member, Unit
from raynas.graph.node import Node, nodes_in
from raynas.graph.texts import PLAIN, text_of


def is_plain(graph: Graph, scope: Mapping[str, Member]) -> bool:
    """Whether surely every step of a graph is needed, none stands for another, and none writes or makes zeros.

    Args:
        graph: frozen.
        scope: the shared members that are known in it.
    """
    used: set[Node] = set()
    seen: set[Any] = set()
    members = graph.members
    for node in graph.nodes:
        op, what = node.op, ""
        if node.when:
            return False
        if op == "function":
            calm, deterministic = _function(node.target)
            if not calm or (node.kwargs and kinds.writes(node, None)):
                return False
            what = node.target if deterministic else ""
        elif op == "module":
            unit = members.get(node.target)
            if type(unit) is not Unit or unit.nature.identity or unit.nature.in_place:
                return False
            what = unit.text if unit.nature.twin else ""
        elif op == "graph":
            member = members.get(node.target)
            if type(member) is not Graph or not is_quiet(member, scope):
                return False
        elif op == "method":
            if kinds.writes(node, None):
                return False
            what = node.target if node.target in kinds.PURE_METHODS else ""
        elif op == "attribute":
            what = node.target
        elif op not in ("input", "output"):
            return False
        for arg in node.args:
            if type(arg) is Node:
                used.add(arg)
            elif type(arg) not in PLAIN:
                used.update(nodes_in(arg))
        if node.kwargs:
            used.update(nodes_in(node.kwargs))
        if what:
            key = op, what, key_of(node.args), key_of(node.kwargs) if node.kwargs else None
            if key in seen:
                return False
            seen.add(key)
    return all(node in used or node.op in ("input", "output") for node in graph.nodes)


@lru_cache(maxsize=4096)
def _function(name: str) -> tuple[bool, bool]:
    """Whether a function, by its name, neither writes nor makes zeros; and whether it gives the same for the same."""
    return kinds.is_calm(name) and name != "torch.zeros_like", name in kinds.DETERMINISTIC_FUNCTIONS


def is_quiet(graph: Graph, scope: Mapping[str, Member]) -> bool:
    """Whether a graph, called in a scope, surely writes nothing in place, makes no zeros and gives back no input."""
    known = form.of(graph)
    if graph.notes.get("plain"):
        return True
    if known is not None and known.quiet is not None:
        return known.quiet
    inside = Abstract(graph, {**scope, **graph.shared} if graph.shared else scope)
    quiet = does_something(graph) and not inside.writes_in_place and not inside.makes_zeros
    if known is not None:
        known.quiet = quiet
    return quiet


def does_something(graph: Graph) -> bool:
    """Whether a graph has steps beside inputs and output."""
    return any(node.op not in ("input", "output") for node in graph.nodes)


def key_of(value: Any) -> Any:
    """A key that values share exactly if they are equal, steps if they are the same."""
    kind = type(value)
    if kind is Node:
        return value
    if kind is tuple or kind is list:
        return kind, *[item if type(item) is Node else key_of(item) for item in value]
    if kind is dict:
        return kind, tuple([(key, key_of(value[key])) for key in sorted(value, key=repr)])
    if kind is slice:
        return kind, key_of((value.start, value.stop, value.step))
    return kind, text_of(value)
