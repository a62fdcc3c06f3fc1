"""Libraries: functions that reckon with the shapes of tensors in ways no proxy can follow; each call becomes a step."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import fx

from raynas.graph.allowed import STEPS
from raynas.pytorch.passing import proxies_in


def step_of(name: str) -> Any:
    """The function of this name, where its library is loaded; None where it is not."""
    module, _, last = name.rpartition(".")
    return getattr(sys.modules.get(module), last, None)


@contextmanager
def recorded(step: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    """While this is open, calls of these functions with values that only the run knows become steps.

    The functions are changed in place, as users' modules hold them by whatever name.

    Args:
        step: makes the node of a call, from the function and its arguments.
    """
    with ExitStack() as opened:
        for function in filter(None, map(step_of, sorted(STEPS))):
            if isinstance(function, types.FunctionType) and not function.__closure__:
                opened.enter_context(_replaced(function, step))
        yield


@contextmanager
def _replaced(function: types.FunctionType, step: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    code, defaults, named = function.__code__, function.__defaults__, function.__kwdefaults__
    original = types.FunctionType(code, function.__globals__, function.__name__, defaults)
    original.__kwdefaults__ = named

    def called(args: Any, kwargs: Any) -> Any:
        if next(proxies_in((args, kwargs)), None) is None:
            return original(*args, **kwargs)
        return step(function, args, kwargs)

    def stands_in(*args: Any, called: Any = None, **kwargs: Any) -> Any:
        return called(args, kwargs)

    function.__code__, function.__defaults__ = stands_in.__code__, None
    function.__kwdefaults__ = {"called": called}
    try:
        yield
    finally:
        function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, named


def is_named(node: fx.Node) -> bool:
    """Whether a step calls a function by its bare name, as those of other libraries and builtins are written."""
    return node.op == "call_function" and getattr(node.target, "__module__", "").startswith(("einops", "builtins"))


def pieces(node: fx.Node) -> int | None:
    """How many values such a call gives, where that stands in its arguments."""
    if node.target is step_of("einops.pack"):
        return 2
    if node.target is step_of("einops.unpack"):
        shapes = node.args[1] if len(node.args) > 1 else node.kwargs.get("packed_shapes")
        packed = shapes.args[0] if isinstance(shapes, fx.Node) and len(shapes.args) > 1 else None
        if isinstance(packed, fx.Node) and packed.target is step_of("einops.pack"):
            tensors = packed.args[0] if packed.args else packed.kwargs.get("tensors")
            return len(tensors) if isinstance(tensors, list | tuple) else None
    return None
