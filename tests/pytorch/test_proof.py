"""Proof: a model that is right is not taken for a wrong one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raynas.nn import LayerChoice, ValueChoice
from raynas.pytorch import trace
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


class Weighted(nn.Module):
    """No `ModelSpace`; its choices stand in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = ValueChoice([1.0, 2.0], label="scale")
        self.layer = LayerChoice([nn.Linear(4, 4), nn.Identity()], label="layer")

    def forward(self, x: Tensor) -> Tensor:
        return torch.mul(self.layer(x), self.scale)


def test_any_module_with_choices_is_called_at_its_defaults() -> None:
    space = trace(Weighted, example_inputs=(torch.randn(2, 4),))
    assert space.search_space.size() == 4
