"""Initial values: what constructors compute stands in the generated constructors, or the module is kept whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.pytorch.check import check


def positions(size: int) -> Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")).flatten(1)
    relative = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0)
    relative[:, :, 0] += size - 1
    relative[:, :, 1] += size - 1
    relative[:, :, 0] *= 2 * size - 1
    return relative.sum(-1).view(-1)


class RelativePositions(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn((2 * size - 1) ** 2, 4))
        self.register_buffer("index", torch.empty(size**4, dtype=torch.long), persistent=False)
        self.index.copy_(positions(size))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[self.index].mean(0)


class TwoSizes(nn.Module):
    """Its blocks become one class, whose arguments are named otherwise than the variables of its constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.small = RelativePositions(3)
        self.large = RelativePositions(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.large(self.small(x))


def test_arguments_and_variables_of_a_constructor_have_names_of_their_own() -> None:
    source = check(TwoSizes, torch.randn(2, 4), opaque=())
    assert source.count("class ") == 2
