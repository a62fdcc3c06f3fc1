"""Example inputs: the arguments of one call; their shapes and dtypes are all that a check before training needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from raynas.errors import TraceError


def arguments(inputs: Any) -> tuple[Any, ...]:
    """The arguments of one call; a tensor by itself is the only one."""
    if isinstance(inputs, torch.Tensor):
        return (inputs,)
    if isinstance(inputs, tuple | list):
        return tuple(inputs)
    raise TraceError(f"example_inputs is a {type(inputs).__name__}: give a tuple, the arguments of one call in order")


def describe(inputs: Sequence[Any] | torch.Tensor | None) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Shape and dtype of each input, its batch cut to one; empty where there are none, or one is no tensor."""
    found = []
    for item in () if inputs is None else arguments(inputs):
        if not isinstance(item, torch.Tensor) or item.dim() == 0:
            return ()
        found.append(((1, *item.shape[1:]), str(item.dtype).removeprefix("torch.")))
    return tuple(found)


def made_of(description: Sequence[Sequence[Any]]) -> tuple[torch.Tensor, ...]:
    """Zeros of these shapes and dtypes."""
    return tuple(torch.zeros(tuple(shape), dtype=getattr(torch, dtype)) for shape, dtype in description)
