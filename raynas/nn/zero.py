"""Zero: the operation that cuts a connection."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raynas.nn.basic_unit import basic_unit


@basic_unit
class Zero(nn.Module):
    """Returns zeros of its input's shape and dtype; known as such to `simplify`."""

    def forward(self, x: Tensor) -> Tensor:
        """Zeros like `x`."""
        return torch.zeros_like(x)
