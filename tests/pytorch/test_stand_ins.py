"""Builtins that make numbers of values: steps, and otherwise what they always are."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.check import check, same_call

X = torch.randn(2, 3, 16, 9)


def padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """As TensorFlow pads."""
    h, w = x.shape[-2:]
    down = max((math.ceil(float(h) / stride) - 1) * stride + kernel - h, 0)
    right = max((math.ceil(w / stride) - 1) * stride + kernel - w, 0)
    return nn.functional.pad(x, [right // 2, right - right // 2, down // 2, down - down // 2])


class Padded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Any:
        x = self.conv(padded(x, 3, 2))
        scale = int(x.shape[1]) ** -0.5
        side = min(int(math.sqrt(x.shape[2])), len(x))
        half = round(x.shape[2] / 2) + sum(x.shape[2:])
        x = (
            x.masked_fill(x > 9, torch.finfo(x.dtype).min)
            + torch.meshgrid([x[0, 0, 0], x[0, 0, :, 0]], indexing="xy")[0]
        )
        fixed = (
            max(1, 2),
            min([3.0]),
            int("4"),
            float("inf"),
            len("five"),
            sum([5, 6]),
            round(1.5),
            torch.finfo(torch.half).max,
            isinstance(6, int),
            max(7, 8, key=abs),
        )
        return x[:, :, :side] * scale * float(x.mean()), half, fixed


def test_numbers_of_sizes_are_reckoned_anew_for_every_size() -> None:
    source = check(Padded, X, opaque=())
    original, generated = Padded(), load_module(source)
    generated.load_state_dict(original.state_dict())
    same_call(original, generated, (torch.randn(5, 3, 7, 12),), {}, 0)


class Kinds(nn.Module):
    """Names the classes without calling them."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Any:
        numbers = [value for value in (1, 2.0, "3") if isinstance(value, (int, float))]
        return torch.ones(int(x.shape[0]), dtype=int), x.to(float), numbers, issubclass(bool, int)


def test_as_classes_they_are_what_they_were() -> None:
    check(Kinds, X, opaque=())


class Compared(nn.Module):
    """Compares a class: a stand-in would be another one."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = int

    def forward(self, x: Tensor) -> Tensor:
        return x * (2 if self.kind is int else 3) * int(x.shape[0])


class Around(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.compared = Compared()

    def forward(self, x: Tensor) -> Tensor:
        return self.compared(x) * int(x.shape[0])


def test_where_a_class_is_compared_it_stays_itself() -> None:
    check(Around, X, opaque=("compared",))
    check(Compared, X, opaque=("the",))


class AsksForKind(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (2 if isinstance(x.shape[0], int) else 3)


class InTraining(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + int(self.training))


def test_kinds_of_values_and_flags_are_not_answered_for_a_proxy() -> None:
    check(AsksForKind, X, opaque=("the",))
    check(InTraining, X, opaque=())


class Shadowed(nn.Module):
    """An argument and a layer are called like functions that its helpers call."""

    def __init__(self) -> None:
        super().__init__()
        self.max = nn.MaxPool2d(1)

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        return padded(self.max(x), 3, 2) * scale


class Taken(Shadowed):
    def forward(self, x: Tensor, max: Tensor) -> Tensor:
        return padded(self.max(x), 3, 2) * max


def test_variables_do_not_hide_what_is_called() -> None:
    check(Shadowed, X, torch.ones(()), opaque=())
    check(Taken, X, torch.ones(()), opaque=("the",))
    check(lambda: Outer(Taken()), X, opaque=())


class Outer(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x.mean())


def test_the_names_are_put_back() -> None:
    trace(Padded)
    assert not {"int", "float", "len", "max", "min"} & set(globals())


class Named(nn.Module):
    def forward(self, x: Tensor, F: Tensor) -> Tensor:  # as people do
        return x.relu() + F


def test_an_argument_that_is_called_like_an_import_keeps_its_name() -> None:
    with pytest.warns(match="takes an argument named 'F'"):
        generated = load_module(to_source(trace(Named).freeze()))
    assert torch.equal(generated(X, F=X), Named()(X, X))
