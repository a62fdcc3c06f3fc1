"""Example inputs, written down: their shapes and dtypes are all that a check before training needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def describe(inputs: Sequence[Any] | None) -> tuple[tuple[tuple[int, ...], str], ...]:
    """Shape and dtype of each input, its batch cut to one; empty where there are none, or one is no tensor."""
    found = []
    for item in inputs or ():
        if not isinstance(item, torch.Tensor) or item.dim() == 0:
            return ()
        found.append(((1, *item.shape[1:]), str(item.dtype).removeprefix("torch.")))
    return tuple(found)


def made_of(description: Sequence[Sequence[Any]]) -> tuple[torch.Tensor, ...]:
    """Zeros of these shapes and dtypes."""
    return tuple(torch.zeros(tuple(shape), dtype=getattr(torch, dtype)) for shape, dtype in description)
