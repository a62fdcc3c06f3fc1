"""Sizes that are spread with `*`: opened for inputs of any rank, or kept whole where more is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas.pytorch import load_module
from tests.pytorch.check import check

INPUTS = [torch.linspace(-1, 1, 24).reshape(shape) for shape in ((6, 4), (2, 3, 4), (2, 1, 3, 4))]


def in_a_call(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:-1], 2, 2)


def alone(x: Tensor) -> Tensor:
    size = x.size()[:-1] + (2, 2)  # noqa: RUF005  # as people write it
    return x.view(*size) + x.new_zeros(*size)


def between(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:-2], -1, *x.shape[-1:])


def in_tuples_and_lists(x: Tensor) -> Tensor:
    return x.view((*x.shape[:-1], 2, 2)) + x.new_ones([*x.shape[:-1], 1, 1]) + torch.full((2, *x.shape), 2.0).mean()


def in_a_variable(x: Tensor) -> Tensor:
    first = x.shape[:-1]
    hidden = (*first, -1, 2)
    return (x.view(hidden).relu() + x.reshape(*hidden)).reshape(*first, -1).contiguous()


def the_rest(x: Tensor) -> Tensor:
    *first, width = x.shape
    count, *_ = first_of(x)
    return x.view(*first, 2, width // 2) * count


def first_of(x: Tensor) -> Any:
    return x.shape


def by_factories(x: Tensor) -> Tensor:
    return torch.zeros(*x.shape[:-1], 1) + torch.rand(*x.shape) + torch.ones((*x.shape,))


def counted(x: Tensor) -> Tensor:
    x = x.flatten(0, -2)
    rows, width, half = *x.shape, 2
    return x.view(rows, width // half, half)


class Applied(nn.Module):
    """Applies a function."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class Inner(nn.Module):
    def forward(self, x: Tensor, size: Any) -> Tensor:
        return x.view(*size, 2, 2)


class Passing(nn.Module):
    """Passes a size to a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Tensor) -> Any:
        return self.inner(x, x.shape[:-1])


def by_repetition(x: Tensor) -> Any:
    ones = x.new_ones(x.shape[0], *((1,) * (x.dim() - 1)))
    return x * ones, x.view(-1, *[1] * (x.dim() - 2), x.shape[-1])


def as_a_tuple(x: Tensor) -> Any:
    shape, rest = tuple(x.shape), tuple(x.shape[1:])
    return x.new_zeros((2,) + rest), x.view(*tuple(x.size())), torch.ones(shape), shape, len(shape)  # noqa: RUF005


OPENED = [
    by_repetition,
    as_a_tuple,
    in_a_call,
    alone,
    between,
    in_tuples_and_lists,
    in_a_variable,
    the_rest,
    by_factories,
    counted,
]


@pytest.mark.parametrize("function", OPENED)
def test_a_size_is_spread_whatever_its_rank(function: Callable[[Tensor], Any]) -> None:
    source = check(lambda: Applied(function), INPUTS[1], opaque=())
    generated = load_module(source)
    for x in INPUTS:
        torch.manual_seed(3)
        expected = function(x)
        torch.manual_seed(3)
        torch.testing.assert_close(generated(x), expected, rtol=0, atol=0)


def test_a_size_that_was_passed_is_spread() -> None:
    generated = load_module(check(Passing, INPUTS[1], opaque=()))
    assert generated(INPUTS[2]).shape == (2, 1, 3, 2, 2)


class Helper:
    """Has methods that are named like a tensor's."""

    def reshape(self, size: tuple[Any, ...]) -> Tensor:
        return torch.ones(len(size))

    def view(self, x: Tensor, size: tuple[Any, ...]) -> Tensor:
        return x.view(size) if len(size) == 3 else x * 2


HELPER = Helper()


def measured(x: Tensor) -> Tensor:
    size = (*x.shape, 1)
    return x if len(size) == 3 else x.view(size)


def indexed(x: Tensor) -> Tensor:
    size = (*x.shape[:-1], 2, 2)
    return x.view(size) * size[1]


def counts_the_rest(x: Tensor) -> Tensor:
    *first, _ = x.shape
    return x * len(first)


def returned(x: Tensor) -> Any:
    size = (*x.shape[:-1], 2, 2)
    return x.view(size), size


def extended(x: Tensor) -> Tensor:
    size = (*x.shape,)
    size += (1,)
    return x.view(size)


def in_a_lambda(x: Tensor) -> Tensor:
    size = (*x.shape, 1)
    return x.view(size) * (lambda: len(size))()


def counting(x: Tensor, *size: Any) -> Tensor:
    return x * len(size)


def to_a_function(x: Tensor) -> Tensor:
    return counting(x, *x.shape)


def to_a_method(x: Tensor) -> Tensor:
    return HELPER.view(x, (*x.shape, 1))


def to_a_method_that_only_counts(x: Tensor) -> Tensor:
    return HELPER.reshape((*x.shape, 1))


def by_a_comprehension(x: Tensor) -> Tensor:
    return x.repeat(*[2 for _ in x.shape])


def of_rows(x: Tensor) -> Tensor:
    return torch.cat([*x, *x])


def the_largest(x: Tensor) -> Tensor:
    return x * max(*x.shape)


def each_of_a_tuple(x: Tensor) -> Tensor:
    for size in tuple(x.shape):
        x = x + size
    return x


ASKED = [
    each_of_a_tuple,
    measured,
    indexed,
    counts_the_rest,
    returned,
    extended,
    in_a_lambda,
    to_a_function,
    to_a_method,
]
ASKED += [to_a_method_that_only_counts, by_a_comprehension, of_rows, the_largest]


@pytest.mark.parametrize("function", ASKED)
def test_what_is_asked_of_a_size_that_was_spread_is_not_answered_wrongly(function: Callable[[Tensor], Any]) -> None:
    check(lambda: nn.Sequential(Applied(function)), INPUTS[1], opaque=("0",))
