"""Gradients: which values of a traced forward can have none, so that `torch.no_grad()` changes nothing of them."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx

from raynas.pytorch import nones
from raynas.pytorch.patches import FACTORIES

FREE = "has no gradient"
"""Mark of a node, in its `meta`."""

FUNCTIONS = frozenset(
    {
        *(f"{name}_like" for name in ("zeros", "ones", "empty", "full", "rand", "randn", "randint")),
        *("eq", "ne", "lt", "le", "gt", "ge", "argmax", "argmin", "argsort", "isnan", "isfinite"),
    }
)
METHODS = frozenset(
    {
        *("size", "dim", "numel", "detach", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"),
        *("eq", "ne", "lt", "le", "gt", "ge", "argmax", "argmin", "argsort", "long", "int", "bool"),
    }
)
"""Functions and methods whose results have no gradient, whatever they are given."""

ATTRIBUTES = ("shape", "dtype", "device", "ndim", "is_cuda", "layout")


def is_free(node: fx.Node) -> bool:
    """Whether no gradient can flow into what a node gives: it is a shape, or made of shapes and of new tensors."""
    node = nones.origin_of(node)
    if FREE not in node.meta:
        node.meta[FREE] = _is_free(node)
    free: bool = node.meta[FREE]
    return free


def _is_free(node: fx.Node) -> bool:
    if node.op not in ("call_function", "call_method") or node.kwargs.get("requires_grad"):
        return False
    name: Any = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    if node.op == "call_method" and name.startswith("requires_grad"):
        return False
    if name in (METHODS if node.op == "call_method" else FUNCTIONS):
        return True
    if node.target is getattr and node.args[1] in ATTRIBUTES:
        return True
    return all(map(is_free, node.all_input_nodes)) and (bool(node.all_input_nodes) or name in FACTORIES)


def mixes(node: fx.Node) -> bool:
    """Whether a step writes into a value that had no gradient: then it may have one."""
    name: Any = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    writes = node.target is operator.setitem or "out" in node.kwargs or name in IN_PLACE
    writes = writes or (name.endswith("_") and not name.endswith("__"))
    return writes and not all(map(is_free, node.all_input_nodes)) and any(map(is_free, node.all_input_nodes))


IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "imatmul")
