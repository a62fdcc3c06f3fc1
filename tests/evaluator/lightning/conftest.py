from collections.abc import Callable, Iterator

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor, nn

Pair = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Pair:
    """1,078 images to train on and 359 to judge by, of shape (N, 1, 8, 8)."""
    images, classes = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(classes)
    return (x[:1078], y[:1078]), (x[1078:1437], y[1078:1437])


@pytest.fixture(scope="session")
def diabetes() -> Pair:
    """342 patients to train on and 100 to judge by; ten features, targets of mean 0 and deviation 1."""
    features, targets = load_diabetes(return_X_y=True, scaled=True)
    x = torch.tensor(features * 21, dtype=torch.float32)
    y = torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32)
    return (x[:342], y[:342]), (x[342:], y[342:])


@pytest.fixture
def net() -> Callable[..., nn.Module]:
    """Makes a small network for digits, the same one for the same seed."""

    def make(seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding="same"),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(128, 10),
        )

    return make
