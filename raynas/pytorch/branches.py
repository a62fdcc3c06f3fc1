"""Branches: a forward that asks whether it trains, followed both ways and put together again.

Where both ways take the same steps, and only numbers among their arguments differ, one graph stands for both: it picks
the number when the model runs. Where the steps themselves differ there is no such graph.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from raynas.pytorch.proxy import Untraceable

FLAG = "training"
PLAIN = (bool, int, float, str, type(None), torch.dtype)


class Forks(Exception):
    """A forward decides by its module's `training`, and nobody has said yet which way to follow."""


def joined(evaluating: fx.Graph, training: fx.Graph) -> fx.Graph:
    """The graph of both ways: `training` itself, which picks the numbers that differ.

    Raises:
        Untraceable: the two take other steps.
    """
    left, right = _steps(evaluating), _steps(training)
    places = dict(zip(left, right, strict=False))
    if len(left) != len(right):
        raise Untraceable("takes other steps while it trains")
    flag = next(node for node in training.nodes if _is_flag(node))
    for one, other in zip(left, right, strict=True):
        if (one.op, one.target) != (other.op, other.target) or one.meta.get("op") != other.meta.get("op"):
            raise Untraceable("takes other steps while it trains")
        _join(one, other, places, training, flag)
    return training


def _steps(graph: fx.Graph) -> list[fx.Node]:
    """The nodes, but for the flag, and for what was read and is not used."""
    return [node for node in graph.nodes if node.op != "get_attr" or (node.users and not _is_flag(node))]


def _join(one: fx.Node, other: fx.Node, places: dict[fx.Node, fx.Node], graph: fx.Graph, flag: fx.Node) -> None:
    def value(left: Any, right: Any) -> Any:
        if _is_flag(left) and _is_flag(right):
            return right
        left, right = (False if _is_flag(left) else left), (True if _is_flag(right) else right)
        if isinstance(left, fx.Node) or isinstance(right, fx.Node):
            if not isinstance(left, fx.Node) or places.get(left) is not right:
                raise Untraceable("takes other steps while it trains")
            return right
        if isinstance(left, slice) and isinstance(right, slice):
            return slice(*map(value, (left.start, left.stop, left.step), (right.start, right.stop, right.step)))
        if isinstance(left, tuple | list) and type(left) is type(right) and len(left) == len(right):
            return type(right)(map(value, left, right))
        if isinstance(left, dict) and isinstance(right, dict) and list(left) == list(right):
            return {key: value(left[key], right[key]) for key in right}
        if left is right or (type(left) is type(right) and repr(left) == repr(right)):
            return right
        if type(left) not in PLAIN or type(right) not in PLAIN or other.op == "output":
            raise Untraceable("computes with other values while it trains")
        with graph.inserting_before(other):
            return graph.call_function(operator.getitem, ((left, right), flag))

    other.args = tuple(map(value, one.args, other.args)) if len(one.args) == len(other.args) else _refuse()
    other.kwargs = value(dict(one.kwargs), dict(other.kwargs)) if list(one.kwargs) == list(other.kwargs) else _refuse()


def _is_flag(value: Any) -> bool:
    return isinstance(value, fx.Node) and value.op == "get_attr" and value.target == FLAG


def _refuse() -> Any:
    raise Untraceable("calls with other arguments while it trains")
