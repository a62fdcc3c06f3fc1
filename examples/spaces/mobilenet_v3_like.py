"""A space of mobile networks in the manner of MobileNetV3 (Howard et al., 2019), with MobileNetV2 among them.

Each stage chooses its depth and activation, each block its kernel, its expansion and whether it has a squeeze and
excitation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice

STAGES = ((24, 2, 4), (32, 2, 4), (64, 2, 4), (96, 1, 4), (160, 2, 4), (320, 1, 1))
"""Channels, stride of the first block, and greatest depth."""


class ConvBN(nn.Sequential):
    """Convolution, normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(out_channels),
        )


class SqueezeExcite(nn.Module):
    """Scales each channel by what a small network makes of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.reduce(x.mean((2, 3), keepdim=True))
        return x * nn.functional.hardsigmoid(self.expand(torch.relu(scale)))


class InvertedResidual(nn.Module):
    """Wide in the middle: pointwise, depthwise, pointwise; with a shortcut where the shape stays."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        kernel: int,
        expansion: int,
        squeeze: nn.Module | None,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.shortcut = stride == 1 and in_channels == out_channels
        self.widen = nn.Sequential(ConvBN(in_channels, hidden, 1), activation())
        self.depthwise = nn.Sequential(ConvBN(hidden, hidden, kernel, stride, groups=hidden), activation())
        self.squeeze = squeeze
        self.project = ConvBN(hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.depthwise(self.widen(x))
        if self.squeeze is not None:
            out = self.squeeze(out)
        out = self.project(out)
        return x + out if self.shortcut else out


class MobileNet(ModelSpace):
    """The network for ImageNet.

    Args:
        stages: channels, stride and greatest depth of each stage.
        classes: to tell apart.
    """

    def __init__(self, stages: Sequence[tuple[int, int, int]] = STAGES, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvBN(3, 32, 3, stride=2), nn.ReLU6())
        self.first = nn.Sequential(ConvBN(32, 32, 3, groups=32), nn.ReLU6(), ConvBN(32, 16, 1))
        body: list[nn.Module] = []
        before = 16
        for number, (channels, stride, depth) in enumerate(stages):
            body.append(stage(number, before, channels, stride, depth))
            before = channels
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(ConvBN(before, 1280, 1), nn.ReLU6())
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.body(self.first(self.stem(x))))
        return self.head(self.dropout(x.mean((2, 3))))


def stage(number: int, before: int, channels: int, stride: int, depth: int) -> Repeat:
    """Blocks of one size."""

    def activation() -> LayerChoice:
        return LayerChoice({"relu6": nn.ReLU6(), "hardswish": nn.Hardswish()}, label=f"stage{number}.activation")

    def block(position: int) -> InvertedResidual:
        name = f"stage{number}.block{position}"
        entering = channels if position else before
        kernel = ValueChoice([3, 5, 7], label=f"{name}.kernel")
        expansion = ValueChoice([6, 4, 3], label=f"{name}.expansion")
        squeeze = LayerChoice(
            {"none": nn.Identity(), "squeeze": SqueezeExcite(entering * expansion)}, label=f"{name}.squeeze"
        )
        return InvertedResidual(entering, channels, 1 if position else stride, kernel, expansion, squeeze, activation)

    return Repeat(block, depth=(1, depth), label=f"stage{number}.depth")


def mobilenet_v2() -> dict[str, Any]:
    """The sample that is MobileNetV2: 3,504,872 parameters, 300,774,272 multiply-accumulates at 224 pixels."""
    found: dict[str, Any] = {}
    for number, depth in enumerate((2, 3, 4, 3, 3, 1)):
        found |= {f"stage{number}.depth": depth, f"stage{number}.activation": "relu6"}
        for position in range(depth):
            name = f"stage{number}.block{position}"
            found |= {f"{name}.kernel": 3, f"{name}.expansion": 6, f"{name}.squeeze": "none"}
    return found


def example_inputs() -> tuple[Tensor]:
    """One image of ImageNet."""
    return (torch.zeros(1, 3, 224, 224),)
