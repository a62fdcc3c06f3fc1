"""Layers: shapes and parameters, as a model is called."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from raynas.report.layers import layers, shapes, tensors


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor, times: int = 2) -> dict[str, torch.Tensor]:
        for _ in range(times):
            x = self.inner(x) * self.scale
        return {"x": x}


def test_layers_are_listed_as_they_are_called() -> None:
    model = Shared()
    table, output = layers(model, (torch.zeros(3, 4), 2))
    assert table.title == "Layers, from 3×4, 2"
    once = [("inner.0", "Linear", "3×4", "20"), ("inner.1", "ReLU", "3×4", ""), ("inner", "Sequential", "3×4", "")]
    assert list(table.rows) == once * 2
    assert table.note == "24 parameters"
    assert output["x"].shape == (3, 4)


def test_nothing_stays_behind_when_the_model_fails() -> None:
    model = Shared()
    with pytest.raises(RuntimeError):
        layers(model, (torch.zeros(3, 5),))
    assert not any(module._forward_hooks for module in model.modules())


def test_shapes_and_tensors_of_any_output() -> None:
    value = (torch.zeros(2, 3), [torch.zeros(())], {"a": None, "b": torch.zeros(1)}, "text")
    assert shapes(value) == "(2×3, (scalar), {a: None, b: 1}, str)"
    assert [tensor.dim() for tensor in tensors(value)] == [2, 0, 1]
