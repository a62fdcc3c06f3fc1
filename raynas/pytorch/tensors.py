"""Tensors as the calls that make them."""

from __future__ import annotations

from typing import Any

import torch

from raynas.graph import Unit

LITERAL = 64
"""Up to so many values a tensor is written out in the source."""


def creation(tensor: torch.Tensor) -> Unit | None:
    """A call that makes a tensor of this value; None where none is short enough."""
    kwargs: dict[str, Any] = {} if tensor.dtype == torch.get_default_dtype() else {"dtype": tensor.dtype}
    shape = tuple(tensor.shape)
    if tensor.layout != torch.strided or tensor.is_quantized:
        return None
    if tensor.numel() > 1:
        first = tensor.flatten()[0]
        if bool((tensor == first).all()):
            if first == 0:
                return Unit("torch.zeros", (shape,), kwargs)
            if first == 1:
                return Unit("torch.ones", (shape,), kwargs)
            return Unit("torch.full", (shape, first.item()), kwargs)
        if tensor.dtype == torch.int64 and tensor.dim() == 1 and bool((tensor == torch.arange(tensor.numel())).all()):
            return Unit("torch.arange", (tensor.numel(),), {})
    if tensor.numel() > LITERAL or tensor.dtype.is_complex:
        return None
    plain = tensor.dtype in (torch.int64, torch.bool)
    return Unit("torch.tensor", (tensor.tolist(),), {} if plain else kwargs)
