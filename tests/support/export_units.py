"""Units that need much of their module."""

from __future__ import annotations

import functools
import math as m
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from export_helpers import Block as Helper
from export_helpers import scaled
from torch import Tensor, nn

import raynas
from raynas import basic_unit, serialize_cls

HALF = 0.5
FACTORS: Sequence[float] = (HALF, 2 * HALF)


def halved(x: Tensor) -> Tensor:
    # a comment that stays
    return x * FACTORS[0] + m.tau * 0


@basic_unit
class Mine(nn.Module):
    """A unit.

    With a docstring.
    """

    def __init__(self, size: int, Block: int = 1) -> None:
        super().__init__()
        self.inner = Helper(size=size)
        self.Block = Block

    def forward(self, x: Tensor) -> Tensor:
        return scaled(halved(F.relu(self.inner(x))), by=self.Block)


@raynas.basic_unit
@functools.total_ordering
class Decorated(nn.Module):
    def __lt__(self, other: object) -> bool:
        return False

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x)


@serialize_cls
class Bad(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return raynas.trace(x)  # type: ignore[return-value, arg-type]  # what nobody can export
