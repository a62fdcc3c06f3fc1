"""Parts: the objects of which a graph consists, by which one that somebody has changed is told from what it was.

What was found out of a graph is noted on it, and believed as long as nobody else has had it in hands. Whoever hands a
graph out has it watched; whoever takes one settles it first, so that nothing is believed of a graph that was changed.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from raynas.graph.fixed import SURE
from raynas.graph.graph import Graph


def parts_of(graph: Graph) -> list[Any]:
    """The objects of which a graph consists, also those in its lists; it was changed where one of them is another.

    Of the graphs in it that are watched, their own parts stand among them, so that it has changed where one of these
    has.
    """
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
    parts += [member.notes.get("parts") for member in graph.members.values() if type(member) is Graph]
    if graph.shared:
        parts += [member.notes.get("parts") for member in graph.shared.values() if type(member) is Graph]
    return parts


def graphs_in(graph: Graph) -> list[Graph]:
    """The opened modules that a frozen graph holds."""
    found = [member for member in graph.members.values() if type(member) is Graph]
    return found + [member for member in graph.shared.values() if type(member) is Graph] if graph.shared else found


def is_same(graph: Graph) -> bool:
    """Whether a graph itself, what stands below it aside, is what it was when it was handed out, if it ever was."""
    then = graph.notes.get("parts")
    if then is None:
        return True
    now = parts_of(graph)
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
    """Forget what is known of a graph and all below it, where any of them was changed since it was handed out."""
    found: list[Graph] = []
    if _changed(graph, found):
        for inner in found:
            inner.notes.clear()


def _changed(graph: Graph, found: list[Graph]) -> bool:
    found.append(graph)
    changed = False
    for member in graph.members.values():
        if type(member) is Graph and _changed(member, found):
            changed = True
    for member in graph.shared.values() if graph.shared else ():
        if type(member) is Graph and _changed(member, found):
            changed = True
    return changed or not is_same(graph)


def watch(graph: Graph) -> None:
    """Have a settled graph, and all below it, looked at by `settle` from now on: others get it into their hands."""
    for inner in graphs_in(graph):
        _watch(inner)
    if graph.notes and "parts" not in graph.notes:  # else there is nothing that could be forgotten
        graph.notes["parts"] = parts_of(graph)


def _watch(graph: Graph) -> None:
    if "parts" not in graph.notes:
        for inner in graphs_in(graph):
            _watch(inner)
        graph.notes["parts"] = parts_of(graph)
