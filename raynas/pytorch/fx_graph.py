"""From torch.fx's nodes to those of the IR."""

from __future__ import annotations

import dataclasses
import enum
import operator
from typing import Any

from torch import fx

from raynas.errors import SerializationError
from raynas.graph import Node
from raynas.graph.node import Op
from raynas.pytorch.names import name_of
from raynas.pytorch.proxy import Untraceable
from raynas.pytorch.tracer import LITERALS, Body
from raynas.search_space import Expression

OPS: dict[str, Op] = {
    "placeholder": "input",
    "call_function": "function",
    "call_method": "method",
    "get_attr": "attribute",
    "output": "output",
}

READS = (operator.getitem, getattr)
"""Functions that only read: a node of theirs that nobody uses is left out."""


def nodes_of(body: Body) -> list[Node]:
    """The steps of a traced forward; `Untraceable` where a function has no name."""
    made: dict[fx.Node, Node] = {}
    for node in _used(body.graph):
        op: Op = node.meta["op"] if node.op == "call_module" else OPS[node.op]
        try:
            target = name_of(node.target) if op == "function" else str(node.target)
        except SerializationError as error:
            raise Untraceable(f"calls a function without a name: {error}") from None
        args = tuple([_converted(arg, made) for arg in node.args])
        kwargs = {key: _converted(arg, made) for key, arg in node.kwargs.items()}
        made[node] = Node(node.name, op, target, args, kwargs)
    return list(made.values())


def _used(graph: fx.Graph) -> list[fx.Node]:
    """The nodes without those that read something for nobody."""
    nodes = list(graph.nodes)
    if all(node.users or not _only_reads(node) for node in nodes):
        return nodes
    kept: list[fx.Node] = []
    needed: set[fx.Node] = set()
    for node in reversed(nodes):
        if node not in needed and _only_reads(node):
            continue
        needed.update(node.all_input_nodes)
        kept.append(node)
    return kept[::-1]


def _only_reads(node: fx.Node) -> bool:
    return node.op == "get_attr" or (node.op == "call_function" and node.target in READS)


def _converted(value: Any, made: dict[fx.Node, Node]) -> Any:
    """An argument with the nodes in it as those of the IR."""
    if isinstance(value, fx.Node):
        return made[value]
    if type(value) in LITERALS or isinstance(value, Expression):
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        raise Untraceable(f"returns or passes the named tuple {type(value).__name__}")
    if isinstance(value, tuple):
        return tuple([_converted(item, made) for item in value])
    if isinstance(value, list):
        return [_converted(item, made) for item in value]
    if isinstance(value, dict):
        return {key: _converted(item, made) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(_converted(item, made) for item in (value.start, value.stop, value.step)))
    if isinstance(value, enum.Enum) or dataclasses.is_dataclass(value):
        raise Untraceable(f"passes a {type(value).__name__} to a function")
    return value
