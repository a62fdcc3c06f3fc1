"""Searching a small network for scikit-learn's handwritten digits: 1,797 real images of 8×8 pixels.

Run it with `raynas search configs/digits.yaml`, or as a script: `python -m examples.digits`.
"""

from functools import lru_cache

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from raynas import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice, basic_unit


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


@basic_unit
class SeparableConv(nn.Module):
    """A depthwise convolution, then a pointwise one: one node of the graph, whatever happens inside."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding="same", groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.pointwise(self.depthwise(x))))


class DigitsNet(ModelSpace):
    """Stem, one to four blocks, an optional connection around them, pooling, dropout, classifier."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, 16, 32], label="width")
        self.stem = nn.Conv2d(1, width, ValueChoice([3, 5], label="stem_kernel"), padding="same")
        self.blocks = Repeat(
            lambda i: LayerChoice(
                {
                    "conv": ConvBlock(width, ValueChoice([3, 5], label=f"conv_kernel_{i}")),
                    "separable": SeparableConv(width, ValueChoice([3, 5], label=f"separable_kernel_{i}")),
                    "pool": nn.MaxPool2d(3, stride=1, padding=1),
                    "skip": nn.Identity(),
                },
                label=f"block_{i}",
            ),
            depth=(1, 4),
            label="depth",
        )
        self.around = InputChoice(n_candidates=2, n_chosen=(1, 2), reduction="sum", label="around")
        self.dropout = nn.Dropout(ValueChoice([0.0, 0.1, 0.3], label="dropout"))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.around(self.blocks(x), x)
        return self.head(self.dropout(x.mean((2, 3))))


@lru_cache(maxsize=1)
def digits() -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """Training, validation and test set: 60, 20 and 20 percent, the same at every call, classes in equal shares."""
    images, labels = load_digits(return_X_y=True)
    rest, test = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    train, val = train_test_split(rest, test_size=0.25, random_state=0, stratify=labels[rest])
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16.0
    y = torch.tensor(labels)
    return tuple(TensorDataset(x[part], y[part]) for part in (train, val, test))  # type: ignore[return-value]  # three


def train_set() -> TensorDataset:
    """1,077 images."""
    return digits()[0]


def val_set() -> TensorDataset:
    """360 images."""
    return digits()[1]


def test_set() -> TensorDataset:
    """360 images, never used to choose."""
    return digits()[2]
