"""The space and the evaluator of the runs under tests/experiment/fixtures. What is written here stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice, basic_unit


@basic_unit
class Scale(nn.Module):
    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Net(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([2, 3, 4, 5], label="width")
        self.first = nn.Linear(4, width)
        self.blocks = Repeat(
            lambda i: LayerChoice(
                {"relu": nn.ReLU(), "line": nn.Linear(width, width), "scale": Scale()}, label=f"op{i}"
            ),
            depth=(1, 3),
            label="depth",
        )
        self.last = nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.blocks(self.first(x)))


def judge(model: nn.Module) -> Mapping[str, float]:
    with torch.no_grad():
        return {"score": float(model(torch.linspace(-1, 1, 12).reshape(3, 4)).square().mean())}
