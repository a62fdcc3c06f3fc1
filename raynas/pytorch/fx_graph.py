"""From torch.fx's nodes to those of the IR."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from torch import fx

from raynas.errors import SerializationError
from raynas.graph import Node
from raynas.graph.node import Op
from raynas.pytorch.arguments import LITERALS
from raynas.pytorch.body import Body
from raynas.pytorch.flags import FLAG, select, used, when_of
from raynas.pytorch.names import name_of
from raynas.pytorch.proxy import Untraceable
from raynas.search_space import Expression

NAME = "name"
"""Mark of a node, in its `meta`: under which name its function is imported, where it does not know that itself."""

OPS: dict[str, Op] = {
    "placeholder": "input",
    "call_function": "function",
    "call_method": "method",
    "get_attr": "attribute",
    "output": "output",
}


def nodes_of(body: Body) -> list[Node]:
    """The steps of a traced forward; `Untraceable` where a function has no name."""
    made: dict[fx.Node, Node] = {}
    for node in used(body.graph):
        op: Op = node.meta["op"] if node.op == "call_module" else OPS[node.op]
        op = "select" if node.target is select else op
        try:
            named = node.meta.get(NAME)
            target = named or name_of(node.target) if op == "function" else str(node.meta.get(FLAG, node.target))
        except SerializationError as error:
            raise Untraceable(f"calls a function without a name: {error}") from None
        args = tuple([made[arg] if type(arg) is fx.Node else _converted(arg, made) for arg in node.args])
        kwargs = {key: _converted(arg, made) for key, arg in node.kwargs.items()} if node.kwargs else {}
        made[node] = Node(node.name, op, target, args, kwargs, when_of(node))
    return list(made.values())


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
