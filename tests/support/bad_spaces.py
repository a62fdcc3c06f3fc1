"""Spaces and functions with something wrong in them."""

from __future__ import annotations

import torch
from torch import nn

from raynas import LayerChoice, ModelSpace, ValueChoice

NUMBER = 3


class TwoDomains(ModelSpace):
    """One label, two choices."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, ValueChoice([2, 3], label="width"))
        self.second = nn.Linear(4, ValueChoice([4, 5], label="width"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x).sum() + self.second(x).sum()


class Branch(nn.Module):
    """What torch.fx cannot follow, with a choice in it."""

    def __init__(self) -> None:
        super().__init__()
        self.pick = LayerChoice([nn.ReLU(), nn.Tanh()], label="pick")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pick(x) if x.sum() > 0 else x


class Untraceable(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.branch = Branch()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.branch(x)


class Raises(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        raise ValueError("no,\nnever")


class Mismatched(ModelSpace):
    """Its layers do not fit each other, once the width is 3."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, ValueChoice([2, 3], label="width"))
        self.second = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


def plain_model(width: int = 2) -> nn.Module:
    """A function that builds a model with a choice."""
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, ValueChoice([1, 2], label="out")))


def not_finite(model: nn.Module) -> dict[str, float]:
    return {"score": float("nan")}
