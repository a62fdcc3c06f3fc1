"""Searching a text classifier, on a small corpus that this file makes: sentences that praise or complain.

python -m examples.text
"""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

import raynas
from raynas import LayerChoice, ModelSpace, ValueChoice
from raynas.evaluator.lightning import Classification

SUBJECTS = ("the soup", "this film", "our train", "the hotel", "my phone", "that book")
GOOD = ("great", "lovely", "quick", "bright", "warm")
BAD = ("awful", "broken", "late", "dull", "cold")
WORDS = ["", *sorted({word for text in (*SUBJECTS, *GOOD, *BAD, "was not very and") for word in text.split()})]
LENGTH = 9


def sentence(rng: random.Random) -> tuple[str, int]:
    """A sentence and whether it praises; «not» turns what it says around."""
    praises, turned = rng.random() < 0.5, rng.random() < 0.4
    words = rng.sample(GOOD if praises != turned else BAD, 2)
    return f"{rng.choice(SUBJECTS)} was {'not ' if turned else 'very '}{words[0]} and {words[1]}", int(praises)


def corpus(size: int, seed: int) -> torch.utils.data.TensorDataset:
    """Sentences as numbers of words, of shape (size, LENGTH), and their classes."""
    rng = random.Random(seed)
    made = [sentence(rng) for _ in range(size)]
    numbers = [[WORDS.index(word) for word in text.split()] for text, _ in made]
    rows = torch.tensor([row + [0] * (LENGTH - len(row)) for row in numbers])
    return torch.utils.data.TensorDataset(rows, torch.tensor([label for _, label in made]))


class Windows(nn.Module):
    """What stands in windows of neighbouring words, the strongest of each kind."""

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width, window, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x.transpose(1, 2))).amax(2)


class Bag(nn.Module):
    """The mean of all words, whatever their order."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Classifier(ModelSpace):
    """Words to vectors, vectors to one, that to a class."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, 16], label="width")
        self.embed = nn.Embedding(len(WORDS), width, padding_idx=0)
        self.read = LayerChoice(
            {"bag": Bag(), "windows": Windows(width, ValueChoice([1, 3, 5], label="window"))}, label="read"
        )
        self.head = nn.Linear(width, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.read(self.embed(tokens)))


def evaluator(epochs: int = 6) -> Classification:
    """The data is given as recipes, which every worker follows once."""
    return Classification(
        raynas.serialize(corpus, 600, seed=0),
        raynas.serialize(corpus, 200, seed=1),
        learning_rate=ValueChoice([0.003, 0.01, 0.03], label="learning_rate"),
        max_epochs=epochs,
    )


if __name__ == "__main__":
    result = raynas.Experiment(Classifier(), evaluator(), "regularized_evolution", max_trials=20).run()
    print(result.best.metrics["val_accuracy"], dict(result.best.sample))
