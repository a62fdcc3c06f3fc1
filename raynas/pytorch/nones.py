"""Nones: which values of a traced forward may be None when the model runs.

`x is None` cannot be intercepted: a proxy is never None. So where a forward asks that of a value that may be None, it
decides by what only the run knows.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import fx, nn

from raynas.nn import InputChoice, LayerChoice, Repeat, is_basic_unit
from raynas.pytorch.proxy import MAYBE_NONE, is_traced
from raynas.pytorch.steps import steps_of

MAYBE = "may be None"
ITEMS = "its items may be None"
"""Marks of a node, in its `meta`."""

GIVES = (torch.nn.functional.multi_head_attention_forward, torch.autograd.grad)
"""Functions of torch that return None among others."""

ORIGIN = "stands for"
"""Mark of an input of an inner graph: the value outside that is passed for it."""

TELL = "decides by whether a value is None, which only the run knows"


def may_be_none(node: fx.Node) -> str:
    """What a node may be None as: a `call`'s result, an `item`, an `attribute`, an `input`; empty where it is not."""
    if node.meta.get(MAYBE):
        return "input" if node.op == "placeholder" else "call"
    if node.op == "call_method" and node.target in ("get", "pop", "setdefault"):
        return "call"
    source = node.args[0] if node.args else None
    if node.op != "call_function" or not isinstance(source, fx.Node):
        return ""
    if node.target is operator.getitem and has_nones(source) and not _is_slice(node.args[1]):
        return "item"
    if node.target is getattr and (node.args[1] in MAYBE_NONE or has_nones(source)):
        return "attribute"
    return ""


def has_nones(node: fx.Node) -> bool:
    """Whether what a node holds may be None."""
    if node.meta.get(ITEMS) or node.meta.get(MAYBE):
        return True
    if node.op == "call_function" and node.target in GIVES:
        return True
    return bool(may_be_none(node))


def _is_slice(key: Any) -> bool:
    """Whether a key takes part of a tensor, and no value out of a dict or list."""
    return isinstance(key, slice) or key is ... or (isinstance(key, tuple) and any(map(_is_slice, key)))


def mark(node: fx.Node, module: nn.Module) -> None:
    """Note of a call whether its result, or a part of it, may be None."""
    node.meta[MAYBE] = any(_names_none(unit) for unit in _units(module))
    node.meta[ITEMS] = node.meta[MAYBE] or any(isinstance(unit, nn.MultiheadAttention) for unit in _units(module))


def _units(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, LayerChoice):
        for candidate in module.candidates.values():
            yield from _units(candidate)
    elif isinstance(module, Repeat):
        for block in module.blocks:
            yield from _units(block)
    elif not isinstance(module, InputChoice):
        yield module


def _names_none(module: nn.Module) -> bool:
    cls = type(module)
    if is_basic_unit(cls) and cls.__module__.startswith("torch."):
        return False
    forward: Any = module.__dict__.get("forward", cls.forward)
    while hasattr(forward, "__wrapped__") or hasattr(forward, "__func__"):
        forward = getattr(forward, "__wrapped__", None) or forward.__func__
    code = getattr(forward, "__code__", None)
    return code is None or _gives_none(code)


@lru_cache(maxsize=4096)
def _gives_none(code: types.CodeType) -> bool:
    """Whether a function's code puts a None somewhere, other than to compare with it or to throw it away."""
    steps = steps_of(code)
    for position, step in enumerate(steps):
        named = step.op in ("LOAD_CONST", "RETURN_CONST") and step.value is None
        if named and (position + 1 == len(steps) or steps[position + 1].op not in ("IS_OP", "CONTAINS_OP")):
            return True
    return False


def asked_in(graph: fx.Graph, kinds: frozenset[str]) -> bool:
    """Whether something of these kinds in a graph may be None."""
    if not kinds:
        return False
    found = {may_be_none(node) for node in graph.nodes if node.op != "placeholder"}
    return bool(kinds & found)


def origin_of(node: fx.Node) -> fx.Node:
    """The value that an input of an inner graph stands for, seen from the outermost one."""
    while ORIGIN in node.meta:
        node = node.meta[ORIGIN]
    return node


def needed(node: fx.Node) -> Iterator[fx.Node]:
    """The inputs of a node that cannot be None: it would fail."""
    args = node.args if getattr(node.target, "__module__", "") == "_operator" else node.args[:1]
    for arg in args:
        if isinstance(arg, fx.Node):
            yield origin_of(arg)


@contextmanager
def guarded(asked: Mapping[types.CodeType, frozenset[str]], doubt: Callable[[fx.Node, str], None]) -> Iterator[None]:
    """While this is open, functions that compare a parameter with None tell `doubt` of one that may be None."""
    if not asked:
        yield
        return
    outer = sys.getprofile()
    names = {id(code): parameters for code, parameters in asked.items()}  # a code's own hash reads all of it

    def see(frame: types.FrameType, event: str, _: Any) -> None:
        if event != "call" or id(frame.f_code) not in names:
            return
        values = frame.f_locals
        for name in names[id(frame.f_code)]:
            value = values.get(name)
            if is_traced(value) and value is not None and may_be_none(value.node):
                doubt(value.node, name)

    sys.setprofile(see)
    try:
        yield
    finally:
        sys.setprofile(outer if callable(outer) else None)
        if outer is not None and not callable(outer):
            outer.enable()  # cProfile's, which is no function
