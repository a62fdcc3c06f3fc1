"""Reading a forward's code for what a proxy cannot see."""

from __future__ import annotations

import builtins
import dis
import types
from functools import lru_cache
from typing import Any

from raynas.pytorch.proxy import TORCH

BLIND = {
    "type": "asks type() of a value",
    "id": "asks id() of a value",
    "print": "prints while it runs",
    "open": "opens a file while it runs",
    "globals": "reads or writes global variables by name",
    "locals": "reads its local variables by name",
    "exec": "runs text as code",
    "eval": "runs text as code",
}
"""Builtins that would be answered for the proxy, or run once instead of at every call."""


INSIDES = frozenset(
    {
        *("_buffers", "_parameters", "parameters", "named_parameters", "buffers", "named_buffers", "state_dict"),
        *("load_state_dict", "__dict__"),
    }
)
"""Attributes that hand out tensors themselves, of which a graph would keep today's values."""

MACHINERY = (
    *("__call__", "_call_impl", "train", "eval", "_apply", "get_extra_state", "set_extra_state", "state_dict"),
    *("load_state_dict", "_save_to_state_dict", "_load_from_state_dict", "register_forward_hook", "named_parameters"),
)
"""Methods of every module that others call: a class that overrides one of them is more than its forward."""

OTHERS = ("torch.", "pytorch_lightning.", "lightning.", "raynas.")
"""Packages whose base classes may override them."""


@lru_cache(maxsize=4096)
def asks(cls: Any) -> str:
    """Why a class's forward cannot be traced, by its code and that of what it calls; empty where nothing is found."""
    for name in MACHINERY:
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if not owner.__module__.startswith(OTHERS):
            return f"overrides {name}()"
    forward = getattr(cls, "forward", None)
    return _reason(forward, cls, set()) if isinstance(forward, types.FunctionType) else ""


def _reason(function: types.FunctionType, cls: type, seen: set[Any]) -> str:
    function = getattr(function, "__wrapped__", function)
    code = getattr(function, "__code__", None)
    if code is None or code in seen or code.co_filename.startswith(TORCH):
        return ""
    seen.add(code)
    return _code(code, function.__globals__, cls, seen)


def _code(code: types.CodeType, names: dict[str, Any], cls: type, seen: set[Any]) -> str:
    for step in dis.get_instructions(code):
        word = step.argval
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return f"sets the global variable '{word}'"
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and isinstance(word, str):
            found = names.get(word, getattr(builtins, word, None))
            if word in BLIND and found is getattr(builtins, word, None):
                return BLIND[word]
            if isinstance(found, types.FunctionType):
                why = _reason(found, cls, seen)
                if why:
                    return why
        if step.opname in ("LOAD_METHOD", "LOAD_ATTR") and word in INSIDES:
            return f"reaches for its tensors through '{word}'"
        if step.opname in ("LOAD_METHOD", "LOAD_ATTR") and isinstance(word, str):
            found = getattr(cls, word, None)
            if isinstance(found, types.FunctionType) and not found.__module__.startswith("torch."):
                why = _reason(found, cls, seen)
                if why:
                    return why
        if step.opname == "LOAD_CONST" and isinstance(word, types.CodeType):
            why = _code(word, names, cls, seen)
            if why:
                return why
    return ""
