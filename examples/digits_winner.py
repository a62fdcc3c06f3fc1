"""Retraining the exported winner of the digits search, and measuring it on images that no choice was made by.

    python -m examples.digits_winner runs/demo best.py

It is an ordinary module in an ordinary training loop; of the search it takes the learning rate.
"""

import importlib.util
import sys

import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader

from examples.digits import test_set, train_set, val_set
from raynas import Result

EPOCHS, BATCH = 8, 64


def exported(path: str) -> nn.Module:
    """A fresh model of the class in an exported file."""
    spec = importlib.util.spec_from_file_location("winner", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model()  # type: ignore[no-any-return]  # the file's class


def train(model: nn.Module, learning_rate: float) -> None:
    """On the training and the validation images together, as the choosing is over."""
    batches = DataLoader(ConcatDataset([train_set(), val_set()]), BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=EPOCHS * len(batches))
    model.train()
    for _ in range(EPOCHS):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()


def accuracy(model: nn.Module) -> float:
    """The share of test images that it tells right."""
    x, y = test_set().tensors
    model.eval()
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def main(run: str, path: str) -> None:
    torch.manual_seed(0)
    best = Result.open(run).best
    model = exported(path)
    train(model, best.sample["learning_rate"])
    print(f"test accuracy {accuracy(model):.4f}: {path}, retrained; these {len(test_set())} images chose nothing")


if __name__ == "__main__":
    main(*sys.argv[1:])
