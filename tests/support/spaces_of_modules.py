"""Spaces of real modules, drawn by hypothesis: every word inside every other, three deep."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from raynas import Cell, InputChoice, LayerChoice, ModelSpace, NasBench101Cell, NasBench201Cell, Repeat, ValueChoice
from raynas.nn import Zero

WIDTH = 4

Build = Callable[[Any], nn.Module]
"""Builds a module that keeps the shape, of a function that makes labels."""


class Both(nn.Module):
    """Two modules, one on each of two inputs, or on the same."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.left(x) - self.right(x if y is None else y)


class Scaled(nn.Module):
    """A choice as an argument of a call in forward."""

    def __init__(self, factor: Any) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return torch.mul(x, self.factor).roll(1 + (self.factor > 1), 2)


class Joined(nn.Module):
    """An input choice over what two modules give."""

    def __init__(self, left: nn.Module, right: nn.Module, chosen: Any, reduction: Any, label: str) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.pick = InputChoice(3, chosen, reduction, label)

    def forward(self, x: Tensor) -> Any:
        return self.pick(x, self.left(x), self.right(x))


class Model(ModelSpace):
    """A stem, some modules in a row."""

    def __init__(self, parts: list[Build]) -> None:
        super().__init__()
        numbers = count()

        def label(word: str) -> str:
            return f"{word}{next(numbers)}"

        self.body = nn.Sequential(*(part(label) for part in parts))

    def forward(self, x: Tensor) -> Any:
        return self.body(x)


def conv(kernels: list[int]) -> Build:
    return lambda label: nn.Conv2d(WIDTH, WIDTH, ValueChoice(kernels, label=label("kernel")), padding="same")


def wide(widths: list[int]) -> Build:
    def build(label: Any) -> nn.Module:
        width = ValueChoice(widths, label=label("width"))
        return nn.Sequential(nn.Conv2d(WIDTH, width * 2, 1), nn.ReLU(), nn.Conv2d(width * 2, WIDTH, 1))

    return build


PLAIN: list[Build] = [
    lambda label: nn.ReLU(),
    lambda label: Zero(),
    lambda label: nn.Identity(),
    lambda label: nn.Conv2d(WIDTH, WIDTH, 1),
    lambda label: nn.BatchNorm2d(WIDTH),
]


@st.composite
def modules(draw: st.DrawFn, depth: int = 3) -> Build:
    """Any word that fits; what stands in it is drawn the same way."""
    leaves = [
        st.sampled_from(PLAIN),
        st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=2, unique=True).map(conv),
        st.lists(st.sampled_from([1, 2]), min_size=1, max_size=2, unique=True).map(wide),
        st.just(lambda label: Scaled(ValueChoice([1, 2], label=label("factor")))),
    ]
    if depth == 0:
        return draw(st.one_of(leaves))
    inner = modules(depth=depth - 1)
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return draw(st.one_of(leaves))
    if kind == 1:
        parts = draw(st.lists(inner, min_size=1, max_size=3))
        named = draw(st.booleans())

        def choice(label: Any) -> nn.Module:
            name, made = label("op"), [part(label) for part in parts]
            return LayerChoice({f"c{i}": part for i, part in enumerate(made)} if named else made, label=name)

        return choice
    if kind == 2:
        part, least, more = draw(inner), draw(st.integers(0, 1)), draw(st.integers(0, 2))
        each = draw(st.booleans())
        return lambda label: Repeat(
            (lambda i: part(label)) if each else part(label), (least, least + more), label("depth")
        )
    if kind == 3:
        left, right = draw(inner), draw(inner)
        chosen = draw(st.sampled_from([1, 2, (1, 2), None]))
        reduction = draw(st.sampled_from(["sum", "mean"]))
        return lambda label: Joined(left(label), right(label), chosen, reduction, label("inputs"))
    if kind == 4:
        left, right = draw(inner), draw(inner)
        return lambda label: Both(left(label), right(label))
    if kind == 5:
        part = draw(inner)
        merge, slots = draw(st.sampled_from(["all", "loose_end"])), draw(st.integers(1, 2))
        factory = draw(st.booleans())

        def cell(label: Any) -> nn.Module:
            op: Any = (lambda node, position, source: nn.Conv2d(WIDTH, WIDTH, 1)) if factory else part(label)
            return Cell([op, nn.Identity()], 2, slots, 1, merge, "sum", label=label("cell"))

        return cell
    if kind == 6:
        part = draw(inner)
        return lambda label: NasBench201Cell([part(label), Zero()], WIDTH, WIDTH, 3, label=label("cell"))
    part = draw(inner)
    return lambda label: NasBench101Cell(
        [part(label), lambda width: nn.ReLU()], WIDTH, WIDTH, lambda i, o: nn.Conv2d(i, o, 1), 3, 9, label("cell")
    )


@st.composite
def models(draw: st.DrawFn) -> Callable[[], nn.Module]:
    """Functions that build the same model at each call."""
    parts = draw(st.lists(modules(depth=draw(st.integers(1, 3))), min_size=1, max_size=2))
    return lambda: Model(parts)
