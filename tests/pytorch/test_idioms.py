"""Idioms of published models: opened where a graph can hold them, whole where it cannot, and always right."""

from __future__ import annotations

import cProfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raynas.errors import Notice
from raynas.pytorch import trace
from tests.pytorch.check import check, roundtrip

X = torch.linspace(-1, 1, 16).reshape(2, 8)


class Applied(nn.Module):
    """A function of a tensor and its length, which only the run knows."""

    def __init__(self, function: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, x.size(1))


def narrowed(x: Tensor, n: int) -> Tensor:
    return torch.narrow(x, 1, 0, n // 2)


def rolled(x: Tensor, n: int) -> Tensor:
    return torch.roll(x, shifts=(n // 2,), dims=(1,))


def best(x: Tensor, n: int) -> Tensor:
    return torch.topk(x, n // 2)[0]


def reshaped(x: Tensor, n: int) -> Tensor:
    return torch.reshape(x, (n, 2))


def pooled(x: Tensor, n: int) -> Tensor:
    return F.avg_pool1d(x[:, None], n // 2)


def filtered(x: Tensor, n: int) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(x, dim=1), n=n, dim=1)


@pytest.mark.parametrize("function", [narrowed, rolled, best, reshaped, pooled, filtered])
def test_torch_takes_counts_that_only_the_run_knows(function: Callable[[Tensor, int], Tensor]) -> None:
    check(lambda: Applied(function), X, opaque=())


class Shifted(nn.Module):
    """The mask of shifted windows, made in the constructor."""

    def __init__(self) -> None:
        super().__init__()
        image = torch.zeros(8)
        for count, part in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
            image[part] = count
        mask = image.unsqueeze(0) - image.unsqueeze(1)
        self.register_buffer("mask", mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.mask.softmax(-1)


class Marked(nn.Module):
    """Its parameter is marked for the optimiser."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.log(torch.arange(1, 9).float()))
        self.scale._no_weight_decay = True  # type: ignore[attr-defined]  # as state space models do it
        self.scale._optim = {"lr": 0.001, "betas": (0.9, 0.99)}  # type: ignore[attr-defined]  # as others do it

    def forward(self, x: Tensor) -> Tensor:
        return x * -torch.exp(self.scale)


@dataclass
class Answer:
    logits: Tensor
    hidden: Tensor | None = None
    more: dict[str, Tensor] = field(default_factory=dict)


class Answers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Answer:
        hidden = self.linear(x)
        return Answer(hidden.softmax(-1), hidden, {"sum": hidden.sum()})


class Catches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return self.linear(x)
        except RuntimeError:
            return x


class Overrides(Catches):
    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + 1


class CallsBase(Catches):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1


class CallsPart(nn.Module):
    """Calls a layer inside a layer of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention.out_proj(x)


class CallsPartOfClosed(nn.Module):
    """Calls a layer inside a module that turns out later to be kept whole."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Catches()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner.linear(x))


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]  # one gradient
        return gradient


class Signs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return Sign.apply(self.linear(x))  # type: ignore[no-any-return,no-untyped-call]  # torch's own


class Mapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda row: torch.softmax(self.linear(row), 0))(x)


@pytest.mark.parametrize("cls", [Shifted, Marked, Answers, Overrides])
def test_what_looks_odd_is_opened(cls: type[nn.Module]) -> None:
    check(cls, X, opaque=())


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (CallsBase, "catches exceptions"),
        (CallsPart, "calls 'attention.out_proj', a part of a MultiheadAttention, which is kept whole"),
        (CallsPartOfClosed, "calls 'inner.linear', a part of a Catches, which is kept whole"),
        (Signs, "calls an autograd.Function, which has a backward of its own"),
        (Mapped, "vmap"),
    ],
)
def test_what_a_graph_cannot_hold_is_kept_whole(cls: type[nn.Module], why: str) -> None:
    check(cls, X, opaque=("the",))
    assert why in roundtrip(cls)[1][0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        trace(cls, example_inputs=[X])
    assert len(caught) == 1


class Needs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor | None = None) -> Tensor:
        return self.linear(x.flatten(1))  # type: ignore[union-attr]  # as people write it


def test_a_forward_that_fails_without_its_optional_input_says_what_helps() -> None:
    assert "pass example_inputs" in roundtrip(Needs)[1][0]


class Decodes(nn.Module):
    """Writes over its answer where it does not train, as detectors do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x).sigmoid()
        if not self.training:
            x[..., 0] = x[..., 0] * 2
        return x


class Compiled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.compile(nn.Linear(8, 8), backend="eager")
        self.last = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x))


@pytest.mark.parametrize("cls", [Decodes, pytest.param(Compiled, marks=pytest.mark.slow)])
def test_example_inputs_prove_it_also_where_hooks_or_gradients_do_not_work(cls: type[nn.Module]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        assert trace(cls, example_inputs=[X]).freeze().nodes or cls is Compiled


class Asks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.linear(x if mask is None else x * mask)


class PassesNothing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Asks()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def test_a_profiler_of_the_user_sees_the_trace_and_does_not_disturb_it() -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        _, notices = roundtrip(PassesNothing)
    finally:
        profiler.disable()
    assert notices == []
    assert any("load_module" in str(entry.code) or "to_source" in str(entry.code) for entry in profiler.getstats())


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Made(nn.Module):
    """Kept whole, and its class makes its layers of a class that is opened elsewhere."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm = norm(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x) if x.sum() > 0 else x


class OpenedAndPassed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Norm(8)
        self.inner = nn.ModuleList([nn.ModuleList([Made(Norm), Made(partial(Norm))])])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for row in self.inner:
            for made in row:
                x = made(x)
        return x


def test_a_class_that_is_opened_in_one_place_and_passed_in_another_has_two_names() -> None:
    source = check(OpenedAndPassed, X, opaque=("inner.0.0", "inner.0.1"))
    assert "import Norm" in source.replace("Made, Norm", "Norm") and "class Norm2" in source


class Rows(nn.Module):
    """Loops over its parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(3, 8))
        self.register_buffer("times", torch.linspace(0, 1, 3))
        self.embed = nn.Embedding(2, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor], int]:
        for i, row in enumerate(self.rows):
            x = x * row + i
        for i in range(len(self.times) - 1):
            x = x + self.times[i]
        first, second = self.embed.weight
        return x * first + second, [row * 2 for row in self.rows], len(self.rows)


def test_the_rows_of_a_parameter_are_counted() -> None:
    check(Rows, X, opaque=())


class Frozen(nn.Linear):
    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.weight.requires_grad = False
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias) * self.gain


def test_what_a_layer_made_for_a_class_of_the_users_may_be_frozen() -> None:
    source = check(lambda: nn.Sequential(Frozen(8), nn.ReLU(), Frozen(8)), X, opaque=())
    assert source.count("class ") == 2


class Lazy(nn.Module):
    """Finds out in its constructor how wide it is."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.LazyLinear(3)
        self.fc(torch.zeros(1, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


def test_lazy_layers_that_a_constructor_tries_keep_their_module_whole() -> None:
    check(lambda: nn.Sequential(Lazy(), nn.ReLU()), X, opaque=("0",))
