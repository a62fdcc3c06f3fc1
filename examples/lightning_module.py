"""Searching with a LightningModule and a LightningDataModule of one's own: the module is given each candidate.

python -m examples.lightning_module
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import raynas
from raynas import LayerChoice, ModelSpace, ValueChoice
from raynas.evaluator.lightning import Lightning


class Spirals(pl.LightningDataModule):
    """Points on two spirals that turn around each other."""

    def __init__(self, batch_size: int = 64, noise: float = 0.05) -> None:
        super().__init__()
        self.batch_size, self.noise = batch_size, noise

    def points(self, size: int, seed: int) -> TensorDataset:
        rng = torch.Generator().manual_seed(seed)
        turn = torch.rand(size, generator=rng) * 6 + 0.5
        label = torch.randint(2, (size,), generator=rng)
        angle = turn + torch.pi * label
        x = torch.stack([turn * angle.cos(), turn * angle.sin()], 1) / 3
        return TensorDataset(x + self.noise * torch.randn(size, 2, generator=rng), label)

    def setup(self, stage: str) -> None:
        self.train, self.val = self.points(800, 0), self.points(200, 1)

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, batch_size=200)


class Smoothed(pl.LightningModule):
    """Trains with smoothed labels, and judges by accuracy."""

    def __init__(self, model: nn.Module, rate: float, smoothing: float) -> None:
        super().__init__()
        self.model, self.rate = model, rate
        self.loss = nn.CrossEntropyLoss(label_smoothing=smoothing)

    def training_step(self, batch: Any, index: int) -> Tensor:
        x, y = batch
        loss: Tensor = self.loss(self.model(x), y)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        x, y = batch
        self.log("val_acc", (self.model(x).argmax(1) == y).float().mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), self.rate)


class Curves(ModelSpace):
    """A small network for points in the plane."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([16, 32], label="width")
        self.first = nn.Linear(2, width)
        self.act = LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="act")
        self.second = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.second(self.act(self.first(x)))))


def evaluator(epochs: int = 20) -> Lightning:
    """What the module takes beside the model are arguments of the evaluator, and may be choices."""
    return Lightning(
        Smoothed,
        datamodule=raynas.serialize(Spirals, batch_size=ValueChoice([32, 64], label="batch_size")),
        rate=ValueChoice([0.003, 0.01, 0.03], label="rate"),
        smoothing=0.05,
        monitor="val_acc",
        mode="max",
        max_epochs=epochs,
    )


if __name__ == "__main__":
    result = raynas.Experiment(Curves(), evaluator(), "random", objective="val_acc", max_trials=12).run()
    print(result.best.metrics["val_acc"], dict(result.best.sample))
