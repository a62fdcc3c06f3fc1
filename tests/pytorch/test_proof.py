"""Proof: a model that is right is not taken for a wrong one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.pytorch.check import roundtrip


class Slope(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, time: float, x: Tensor) -> Tensor:
        return torch.tanh(self.fc(x)) * (1 + time)


class Steps(nn.Module):
    def __init__(self, slope: nn.Module, count: int) -> None:
        super().__init__()
        self.slope = slope
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        for i in range(self.count):
            x = x + self.slope(i / self.count, x) / self.count
        return x


class Solver(nn.Module):
    """One module called with many arguments by two others: most calls have steps of their own in their callers."""

    def __init__(self) -> None:
        super().__init__()
        slope = Slope()
        self.first, self.second = Steps(slope, 3), Steps(slope, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def test_calls_whose_steps_are_their_callers_are_not_held_against_others() -> None:
    _, notices = roundtrip(Solver, example_inputs=(torch.randn(2, 4),))
    assert not notices
