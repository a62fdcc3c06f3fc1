"""Names under which classes and functions are imported, and back."""

from __future__ import annotations

import builtins
import math
import operator
import sys
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from raynas.serializer import imported, qualified_name

PUBLIC = (
    torch,
    nn,
    nn.functional,
    nn.init,
    torch.special,
    torch.linalg,
    torch.fft,
    torch.utils.checkpoint if hasattr(torch.utils, "checkpoint") else torch.utils,
    operator,
    math,
    builtins,
)
"""Where torch's own objects are looked up first: the names people write, not those of the files that define them."""


LISTED = ("meshgrid", "einsum")
"""Functions of torch that pass on a list of tensors, in which torch.fx finds the proxies only further inside."""


def name_of(target: Any) -> str:
    """The qualified name that imports `target`; `SerializationError` where there is none."""
    try:
        return _public_name(target) or qualified_name(target)
    except TypeError:  # not hashable
        return qualified_name(target)


@lru_cache(maxsize=4096)
def _public_name(target: Any) -> str:
    name = getattr(target, "__name__", "")
    einops = sys.modules.get("einops")
    for module in (*PUBLIC, einops) if einops is not None else PUBLIC:
        prefix = f"{module.__name__.rpartition('.')[2]}_"  # `torch.linalg.qr` says that it is `linalg_qr`
        for known in (name, name.removeprefix(prefix)):
            if known and getattr(module, known, None) is target:
                return f"{module.__name__}.{known}"
    if name in LISTED and target is getattr(torch._C._VariableFunctions, name, None):
        return f"torch.{name}"
    return ""


def resolve(name: str) -> Any:
    """What a qualified name imports now: a notebook may have defined it anew since it was asked last."""
    found = _public(name)
    return imported(name) if found is None else found


@lru_cache(maxsize=4096)
def _public(name: str) -> Any:
    prefix, _, last = name.rpartition(".")
    for module in PUBLIC:
        if prefix == module.__name__ and hasattr(module, last):
            return getattr(module, last)
    return None
