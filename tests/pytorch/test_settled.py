"""A constructor that learns of a choice what its graph cannot keep is refused; what only starts otherwise says so."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice, load_module, to_source, trace
from raynas.errors import Notice, SpaceError, TraceError

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


class Model(nn.Module):
    """A layer, and what a constructor makes of its choice."""

    def __init__(self, layer: nn.Module, last: Any = None) -> None:
        super().__init__()
        self.layer = layer
        self.last = nn.Identity() if last is None else last

    def forward(self, x: Tensor) -> Any:
        return self.last(self.layer(x))


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Optional(nn.Module):
    def __init__(self, factor: Any) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x if self.factor is None else x * self.factor


class ByLayer(nn.Module):
    """Asks a layer in forward."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) / self.linear.out_features


def linear(width: Any = None) -> nn.Linear:
    return nn.Linear(4, ValueChoice([2, 3], label="choice") if width is None else width)


def by_width() -> nn.Module:
    layer = linear()
    return Model(layer, nn.Linear(layer.out_features, 5))


def by_scale() -> nn.Module:
    layer = linear()
    return Model(layer, Scale(layer.out_features**-0.5))


def by_kind() -> nn.Module:
    rate = ValueChoice([0.1, 0.5], label="choice")
    return Model(nn.Dropout(rate) if isinstance(rate, float) else nn.Identity())


def by_none() -> nn.Module:
    width = ValueChoice([None, 2], label="choice")
    return Model(nn.Identity() if width is None else nn.Linear(4, 4))


def by_table() -> nn.Module:
    return Model(ACTIVATIONS.get(ValueChoice(["relu", "gelu"], label="choice"), nn.Identity)())


def by_set() -> nn.Module:
    width = ValueChoice([2, 3, 4], label="choice")
    return Model(linear(width), nn.ReLU() if width in {3} else nn.Identity())


def by_attribute() -> nn.Module:
    model = Model(nn.Dropout())
    model.layer.p = ValueChoice([0.1, 0.5], label="choice")
    return model


class ByArgument(ModelSpace):
    """Its choice is made by whoever builds it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(4, width)
        self.last = nn.Linear(self.layer.out_features, 5)

    def forward(self, x: Tensor) -> Any:
        return self.last(self.layer(x))


MADE_BEFORE = ValueChoice([2, 3], label="choice")


@pytest.mark.parametrize(
    "given",
    [
        by_width,
        by_scale,
        by_kind,
        by_none,
        by_table,
        by_set,
        by_attribute,
        lambda: Model(Optional(ValueChoice([None, 2], label="choice"))),
        lambda: ByLayer(ValueChoice([2, 3], label="choice")),
        lambda: ByLayer(MADE_BEFORE),
        ByArgument(ValueChoice([2, 3], label="choice")),
        ByArgument(MADE_BEFORE),
    ],
)
def test_what_is_another_model_with_values_is_refused(given: Any) -> None:
    with pytest.raises(
        TraceError, match=r"^\w+ is another model when it is built with 'choice' = .*: hand on the"
    ) as told:
        trace(given)
    assert "\n" not in str(told.value)


def by_arithmetic() -> nn.Module:
    width = ValueChoice([2, 3], label="width")
    twice = ValueChoice.max(width * 2, 5)
    return nn.Sequential(linear(width), nn.Linear(width, twice), Repeat(nn.Linear(twice, twice), (0, 2), "depth"))


def by_layers() -> nn.Module:
    width = ValueChoice([2, 3], label="width")
    ways = LayerChoice({True: nn.Identity(), False: nn.Linear(4, width)}, pick=width == 4)
    return nn.Sequential(ways, nn.Linear(width, ValueChoice.randint(2, 5, label="out")), Scale(ValueChoice([1, 2])))


class InForward(nn.Module):
    """Makes choices while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = linear(ValueChoice([2, 3], label="width"))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * ValueChoice([1, 2], label="scale") + ValueChoice.uniform(0.1, 0.2, label="shift")


@pytest.mark.parametrize("build", [by_arithmetic, by_layers, InForward, lambda: nn.Sequential(linear(MADE_BEFORE))])
def test_what_hands_its_choices_on_is_taken_without_a_word(build: Callable[[], nn.Module]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        trace(build)


def test_a_model_that_is_another_at_each_call_is_left_alone() -> None:
    widths = iter(range(2, 20))
    trace(lambda: nn.Sequential(nn.Linear(next(widths), ValueChoice([2, 3], label="width"))))


def initialised(width: Any) -> nn.Module:
    layer = linear(width)
    nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.out_features))
    return Model(layer)


def test_weights_that_start_otherwise_are_told() -> None:
    with pytest.warns(Notice, match=r"starts with other weights than the original where 'width' = 3: .*normal_"):
        trace(lambda: initialised(ValueChoice([2, 3], label="width")))


def without_bias(bias: bool, affine: bool) -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 3, bias=bias), nn.BatchNorm1d(3, affine=affine))
    for module in model:
        for tensor in (module.weight, module.bias):
            if tensor is not None:
                nn.init.constant_(tensor, 0.5)
    return model


def test_a_tensor_that_a_choice_takes_away_is_not_initialised() -> None:
    space = trace(
        lambda: without_bias(ValueChoice([True, False], label="bias"), ValueChoice([True, False], label="affine"))
    )
    for sample in space.search_space.grid():
        torch.manual_seed(0)
        made = load_module(to_source(space.freeze(sample))).state_dict()
        torch.manual_seed(0)
        wanted = without_bias(sample["bias"] is True, sample["affine"] is True).state_dict()
        assert list(made) == list(wanted)
        assert all(torch.equal(made[name], tensor) for name, tensor in wanted.items())


class Configured(nn.Module):
    """Keeps its choices in a table."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.config = {"width": width, "sizes": [1, (width, 2)]}
        self.layer = nn.Linear(4, self.config["width"])

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


def test_tables_of_choices_are_kept() -> None:
    space = trace(lambda: Configured(ValueChoice([2, 3], label="width")))
    assert load_module(to_source(space.freeze({"width": 3}))).config == {"width": 3, "sizes": [1, (3, 2)]}


def test_a_function_that_misuses_a_choice_is_told_as_a_model_space_is() -> None:
    with pytest.raises(SpaceError, match=r"cannot be used here .*its value is not chosen yet"):
        trace(lambda: nn.Sequential(linear(), nn.Parameter(torch.ones(ValueChoice([2, 3], label="n"), 1))))
