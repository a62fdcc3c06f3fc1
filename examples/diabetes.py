"""Searching a regression: scikit-learn's 442 diabetes patients, ten features each.

python -m examples.diabetes
"""

from __future__ import annotations

from functools import lru_cache

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn

import raynas
from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice
from raynas.evaluator.lightning import Regression

Rows = tuple[Tensor, Tensor]


class Tabular(ModelSpace):
    """One to three hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, 16, 32], label="width")
        self.inner = nn.Linear(10, width)
        self.layers = Repeat(
            lambda i: nn.Sequential(
                LayerChoice([nn.ReLU(), nn.Tanh(), nn.SiLU()], label=f"act_{i}"),
                nn.Dropout(ValueChoice([0.0, 0.2], label="dropout")),
                nn.Linear(width, width),
            ),
            depth=(1, 3),
            label="depth",
        )
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.inner(x)))


@lru_cache(maxsize=1)
def patients() -> tuple[Rows, Rows]:
    """342 patients to train on and 100 to judge by; targets of mean 0 and deviation 1."""
    features, targets = load_diabetes(return_X_y=True)
    x = torch.tensor(features * 21, dtype=torch.float32)
    y = torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, val = order[:342], order[342:]
    return (x[train], y[train]), (x[val], y[val])


def evaluator(epochs: int = 15) -> Regression:
    """The data is given as tensors, which travel once, and the loss is to be small."""
    train, val = patients()
    return Regression(
        train,
        val,
        learning_rate=ValueChoice.loguniform(1e-3, 3e-2, label="learning_rate"),
        weight_decay=ValueChoice([0.0, 1e-3], label="weight_decay"),
        scheduler="cosine",
        max_epochs=epochs,
    )


if __name__ == "__main__":
    result = raynas.Experiment(Tabular(), evaluator(), "tpe", objective={"best_val_loss": "min"}, max_trials=30).run()
    print(result.best.metrics["best_val_loss"], dict(result.best.sample))
