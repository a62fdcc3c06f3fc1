"""Escapes: no source has the random numbers of one build as plain ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from raynas.pytorch import load_module
from tests.pytorch.check import check, roundtrip


class Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class ByItem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Scaled(torch.rand(1).item())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Permuted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.order = torch.randperm(3).tolist()

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order]


class ByNumpy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.from_numpy(torch.randn(3).numpy() * 2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.noise


class OfWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.register_buffer("largest", torch.tensor(self.fc.weight.abs().max().item()))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) / self.largest


class Rotation(nn.Module):
    """Turns a reflection into a rotation: which it is, the random numbers say."""

    def __init__(self) -> None:
        super().__init__()
        w = torch.linalg.qr(torch.randn(3, 3))[0]
        if torch.det(w) < 0:
            w[:, 0] = -w[:, 0]
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


class Sign(nn.Module):
    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.register_buffer("w", w)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.w if x.sum() > 0 else x - self.w


class Passed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sign = Sign(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.sign(x)


@pytest.mark.parametrize("factory", [ByItem, Permuted, ByNumpy, OfWeights, Rotation, Passed])
def test_a_constructor_that_makes_plain_numbers_of_random_ones_is_kept(factory: Callable[[], nn.Module]) -> None:
    source = check(factory, torch.randn(2, 3), opaque=("the",))
    for seed in range(4):
        torch.manual_seed(seed)
        original = factory()
        torch.manual_seed(seed)
        generated = load_module(source)
        x = torch.randn(2, 3)
        assert torch.equal(original(x), generated(x))


def test_of_the_function_that_builds_the_model_a_notice_says_so() -> None:
    _, notices = roundtrip(lambda: Scaled(torch.rand(1).item()))
    assert len(notices) == 1 and "plain numbers of random tensors" in notices[0]


class Wide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.scale = torch.ones(3).sum().item()
        with torch.no_grad():
            self.wide = nn.Conv1d(1, 4, 3)(torch.randn(1, 1, 9)).shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.rates[1] + self.wide


def test_numbers_that_are_not_random_and_sizes_are_plain_ones() -> None:
    check(Wide, torch.randn(2, 3), opaque=())
