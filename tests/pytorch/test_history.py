"""History: what constructors computed, in several steps and for several modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.pytorch.check import check


class Several(nn.Module):
    """Tensors that one call gave together, as torch.linalg does."""

    def __init__(self) -> None:
        super().__init__()
        w, _ = torch.linalg.qr(torch.randn(3, 3))
        p, lower, upper = torch.linalg.lu(w)
        self.register_buffer("p", p)
        self.lower = nn.Parameter(lower)
        self.scale = nn.Parameter(torch.diag(upper).abs().log())
        self.upper = nn.Parameter(upper.triu(1))
        self.both = nn.ParameterList(nn.Parameter(part) for part in torch.linalg.qr(torch.randn(3, 3)))
        self.register_buffer("first", torch.rand(4).sort().indices)

    def forward(self, x: Tensor) -> Tensor:
        w = self.p @ self.lower @ (self.upper + torch.diag(self.scale.exp()))
        return x @ w @ self.both[0] @ self.both[1] + self.first.sum()


def test_each_of_several_results_is_taken_from_the_call() -> None:
    source = check(Several, torch.randn(2, 3), opaque=())
    assert "torch.linalg.lu(torch.linalg.qr(torch.randn(3, 3))[0])" in source and "_C" not in source


class Masked(nn.Module):
    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask + self.fc(x) * (1 - self.mask)


class Flow(nn.Module):
    """One tensor of the parent's, of which each child has its own."""

    def __init__(self) -> None:
        super().__init__()
        half = torch.arange(4) % 2
        self.steps = nn.ModuleList(Masked((half if i % 2 else 1 - half).float()) for i in range(4))

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x


def test_a_variable_that_several_constructors_need_is_made_in_each() -> None:
    check(Flow, torch.randn(2, 4), opaque=())


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        noise = torch.randn(4)
        self.steps = nn.ModuleList(Masked(noise * i) for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.steps[2](self.steps[1](self.steps[0](x)))


def test_random_numbers_that_several_constructors_share_keep_the_whole() -> None:
    check(Noisy, torch.randn(2, 4), opaque=("the",))


class TimeSteps(nn.Module):
    """A variable with random numbers inside its expression, used twice: as Mamba's."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        step = torch.exp(torch.rand(3) * 4.6 - 6.9).clamp(min=1e-4)
        with torch.no_grad():
            self.fc.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


def test_random_numbers_inside_a_variable_are_drawn_once() -> None:
    source = check(TimeSteps, torch.randn(2, 3), opaque=())
    assert source.count("torch.rand(") == 1


class Filled(nn.Module):
    """Tensors without values of their own, filled by copies: as in noisy networks."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.FloatTensor(9, 9))
        self.weight = nn.Parameter(torch.FloatTensor(9, 9))
        self.noise.copy_(torch.randn(9).ger(torch.randn(9)))
        self.weight.data[:] = torch.rand(9, 9)

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight + self.noise)


def test_what_a_copy_fills_needs_no_values_of_its_own() -> None:
    check(Filled, torch.randn(2, 9), opaque=())


class Replaced(nn.Module):
    """Its parameters' data are exchanged for random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.Tensor(3, 3))
        self.scale.data = torch.randn(3, 3)
        self.fc.weight.data = torch.rand(3, 3) * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) @ self.scale


def test_random_numbers_that_become_the_data_of_a_parameter_are_drawn_once() -> None:
    source = check(Replaced, torch.randn(2, 3), opaque=())
    assert source.count("torch.rand") == 2
