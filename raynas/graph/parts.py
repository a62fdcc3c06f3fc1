"""Parts: the objects of which a graph consists, by which one that somebody has changed is told from what it was."""

from __future__ import annotations

from operator import is_
from typing import Any

from raynas.graph.fixed import SURE
from raynas.graph.graph import Graph


def parts_of(graph: Graph) -> list[Any]:
    """The objects of which a graph consists, also those in its lists; it was changed where one of them is another."""
    parts: list[Any] = [graph.name, graph.base, graph.init, *graph.setup]
    parts += graph.members
    parts += graph.members.values()
    if graph.shared:
        parts += graph.shared
        parts += graph.shared.values()
    if graph.attributes:
        _add(graph.attributes, parts)
    for node in graph.nodes:
        args, kwargs = node.args, node.kwargs
        parts += (node, node.op, node.target, args, node.when)
        if not SURE.issuperset(map(type, args)):
            _add(args, parts)
        if kwargs:
            _add(kwargs, parts)
    return parts


def same(then: list[Any], now: list[Any]) -> bool:
    """Whether a graph consists of the same objects as before."""
    return len(then) == len(now) and all(map(is_, then, now))


def _add(value: Any, parts: list[Any]) -> None:
    """Add what may be put into a container, or taken out of it."""
    if isinstance(value, dict):
        parts += value
        for item in value.values():
            _add(item, parts)
    elif isinstance(value, list | tuple):
        for item in value:
            _add(item, parts)
    elif isinstance(value, set):
        parts.append(object())  # which is never the same again
    else:
        parts.append(value)


def settle(graph: Graph) -> None:
    """Forget what is known of a graph and all below it, where any of them was changed since it was found out."""
    found: list[Graph] = []
    if _changed(graph, found):
        for inner in found:
            inner.notes.clear()


def _changed(graph: Graph, found: list[Graph]) -> bool:
    found.append(graph)
    then = graph.notes.get("parts")
    changed = then is not None and not same(then, parts_of(graph))
    for member in graph.members.values():
        if type(member) is Graph and _changed(member, found):
            changed = True
    for member in graph.shared.values() if graph.shared else ():
        if type(member) is Graph and _changed(member, found):
            changed = True
    return changed
