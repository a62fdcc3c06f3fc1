from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raynas.evaluator import Context
from raynas.evaluator.lightning import Regression


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))


def test_it_learns_diabetes(diabetes: Any) -> None:
    result = Regression(*diabetes, max_epochs=15, learning_rate=3e-3).evaluate(net(), Context(seed=1))
    assert result["val_mse"] < 0.65, "the mean alone has about 1"
    assert result["val_loss"] == pytest.approx(result["val_mse"], rel=1e-5)
    assert result["val_mae"] < 0.7
    assert result["best_val_loss"] <= result["val_loss"]


def test_errors_are_those_of_the_model(diabetes: Any) -> None:
    model = net()
    result = Regression(*diabetes, max_epochs=1, criterion=nn.SmoothL1Loss).evaluate(model, Context())
    x, y = diabetes[1]
    with torch.inference_mode():
        difference = model(x).squeeze(1) - y
    assert result["val_mse"] == pytest.approx(difference.square().mean().item(), rel=1e-5)
    assert result["val_mae"] == pytest.approx(difference.abs().mean().item(), rel=1e-5)
    assert result["val_loss"] < result["val_mse"]


def test_a_last_dimension_of_one_makes_no_difference(diabetes: Any) -> None:
    column = [(x, y.unsqueeze(1)) for x, y in diabetes]
    flat = [(x.numpy().astype(np.float64), y.numpy().astype(np.float64)) for x, y in diabetes]

    def run(data: Any, model: nn.Module) -> Any:
        return Regression(*data, max_epochs=1).evaluate(model, Context(seed=1))

    first = run(diabetes, net())
    assert run(column, net()) == first
    assert run(flat, net()) == first
    assert run(column, nn.Sequential(*net(), nn.Flatten(0))) == first
