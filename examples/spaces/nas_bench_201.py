"""NAS-Bench-201 (Dong and Yang, 2020): one cell of four tensors, five operations on each of its six edges.

15,625 samples. `raynas space` and `raynas search` take it as `examples.spaces.nas_bench_201.NasBench201`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from raynas import ModelSpace, NasBench201Cell
from raynas.nn import Zero

LABEL = "cell"


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
        )


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda i, o: Zero(),
    "skip_connect": lambda i, o: nn.Identity(),
    "nor_conv_1x1": lambda i, o: ReLUConvBN(i, o, 1),
    "nor_conv_3x3": lambda i, o: ReLUConvBN(i, o, 3),
    "avg_pool_3x3": lambda i, o: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
}


class ResidualBlock(nn.Module):
    """Two convolutions that halve the image, with a shortcut around them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(in_channels, out_channels, 3, stride=2)
        self.conv_b = ReLUConvBN(out_channels, out_channels, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, stride=2), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


class NasBench201(ModelSpace):
    """The network for CIFAR: three stages of equal cells, each after the first with twice the channels.

    Args:
        channels: of the first stage (C).
        cells: of each stage (N).
        classes: to tell apart.
    """

    def __init__(self, channels: int = 16, cells: int = 5, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        body: list[nn.Module] = []
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                body.append(ResidualBlock(width // 2, width))
            body += [NasBench201Cell(OPERATIONS, width, width, label=LABEL) for _ in range(cells)]
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU())
        self.head = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.body(self.stem(x)))
        return self.head(x.mean((2, 3)))


def everywhere(operation: str) -> dict[str, str]:
    """The sample with one operation on every edge."""
    return {f"{LABEL}.op_{i}_{j}": operation for j in range(1, 4) for i in range(j)}


def example_inputs() -> tuple[Tensor]:
    """One image of CIFAR."""
    return (torch.zeros(1, 3, 32, 32),)
