"""Likeness: which graphs are surely written alike, told without writing them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from raynas.graph import Graph, Member, Node, Shared, Tensor, Unit
from raynas.graph.texts import text_of
from raynas.pytorch.codegen.inline import is_inline


def likeness(graph: Graph, draft: Callable[[Graph], Hashable]) -> Hashable | None:
    """A key that graphs share only if they are written alike; None for one of which that is not known.

    Args:
        graph: an opened module.
        draft: gives what stands for the text of an opened module below it.
    """
    if graph.setup or graph.shared:
        return None
    places = {node: place for place, node in enumerate(graph.nodes)}
    nodes = tuple(
        [(node.op, node.target, _value(node.args, places), _value(node.kwargs, places), node.when) for node in places]
    )
    attributes = tuple([(name, text_of(value)) for name, value in graph.attributes.items()])
    init = None if graph.init is None else graph.init.text
    return graph.name, graph.base, init, attributes, _members(graph, draft), nodes


def _members(graph: Graph, draft: Callable[[Graph], Hashable]) -> Hashable:
    return tuple([(name, _member(member, draft)) for name, member in graph.members.items()])


def _member(member: Member, draft: Callable[[Graph], Hashable]) -> Hashable:
    if isinstance(member, Unit):
        return member.text
    if isinstance(member, Graph):
        return (member.base, _members(member, draft)) if is_inline(member) else draft(member)
    if isinstance(member, Tensor):
        return member.kind, member.requires_grad, member.persistent, text_of(member.value)
    return ("shared", member.name) if isinstance(member, Shared) else id(member)


def _value(value: Any, places: Mapping[Node, int]) -> Hashable:
    kind = type(value)
    if kind is Node:
        return places[value]
    if isinstance(value, tuple | list):
        return kind, *[places[item] if type(item) is Node else _value(item, places) for item in value]
    if isinstance(value, dict):
        return kind, *[(text_of(key), _value(item, places)) for key, item in value.items()]
    if kind is slice:
        return kind, *[_value(item, places) for item in (value.start, value.stop, value.step)]
    return text_of(value)
