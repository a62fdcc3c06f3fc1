"""Body: the forward pass of one module as traced, and that of two ways through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import fx

from raynas.pytorch import nones
from raynas.pytorch.branches import Joined
from raynas.pytorch.passing import mapped, proxies_in


@dataclasses.dataclass
class Body:
    """The forward pass of one opened module, as traced.

    Attributes:
        graph: torch.fx's graph; paths in it are relative to the module.
        inputs: names of the inputs, in the order in which a call passes them.
        result: what forward returned, with proxies in it.
    """

    graph: fx.Graph
    inputs: list[str]
    result: Any


def joined(flag: str, yes: Body, no: Body, proxy: Callable[[fx.Node], Any]) -> Body:
    """Both ways through a forward.

    Args:
        flag: path of the `training` that was asked for.
        yes: what was done where it is true.
        no: what was done where it is false.
        proxy: makes a value of a node.
    """
    graph = Joined(flag, yes.graph, no.graph).graph
    if repr(mapped(yes.result, lambda _: ...)) != repr(mapped(no.result, lambda _: ...)):
        return Body(graph, yes.inputs, _opened(next(iter(reversed(graph.nodes))).args[0], proxy))
    for one, other in zip(proxies_in(yes.result), proxies_in(no.result), strict=True):
        one.node.meta[nones.MAYBE] = bool(nones.may_be_none(one.node) or nones.may_be_none(other.node))
        one.node.meta[nones.ITEMS] = nones.has_nones(one.node) or nones.has_nones(other.node)
    return Body(graph, yes.inputs, yes.result)


def _opened(value: Any, proxy: Callable[[fx.Node], Any]) -> Any:
    """An argument of a node as a value: tuples, lists and dicts with what stands in them."""
    if isinstance(value, fx.Node):
        return proxy(value)
    if isinstance(value, tuple | list):
        items = [_opened(item, proxy) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: _opened(item, proxy) for key, item in value.items()}
    return value
