"""DARTS (Liu et al., 2019): a normal and a reduction cell of four nodes, each the sum of two operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from raynas import Cell, ModelSpace

NODES, INPUTS = 4, 2


class ReLUConvBN(nn.Sequential):
    """ReLU, pointwise convolution, normalisation."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


class FactorizedReduce(nn.Module):
    """Half the size: two pointwise convolutions, one on the even pixels and one on the odd ones."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels - out_channels // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.norm(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], 1))


def depthwise(channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """ReLU, depthwise and pointwise convolution, normalisation."""
    padding = dilation * (kernel - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    ]


class SeparableConv(nn.Sequential):
    """Twice a depthwise and a pointwise convolution."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(*depthwise(channels, kernel, stride), *depthwise(channels, kernel))


class DilatedConv(nn.Sequential):
    """A depthwise convolution with gaps, and a pointwise one."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(*depthwise(channels, kernel, stride, dilation=2))


OPERATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "max_pool_3x3": lambda channels, stride: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": lambda channels, stride: nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
    "skip_connect": lambda channels, stride: nn.Identity() if stride == 1 else FactorizedReduce(channels, channels),
    "sep_conv_3x3": lambda channels, stride: SeparableConv(channels, 3, stride),
    "sep_conv_5x5": lambda channels, stride: SeparableConv(channels, 5, stride),
    "dil_conv_3x3": lambda channels, stride: DilatedConv(channels, 3, stride),
    "dil_conv_5x5": lambda channels, stride: DilatedConv(channels, 5, stride),
}


class Preprocess(nn.Module):
    """Brings both inputs of a cell to its size and channels."""

    def __init__(self, before: int, last: int, channels: int, after_reduction: bool) -> None:
        super().__init__()
        self.before = FactorizedReduce(before, channels) if after_reduction else ReLUConvBN(before, channels)
        self.last = ReLUConvBN(last, channels)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        return [self.before(inputs[0]), self.last(inputs[1])]


def cell(before: int, last: int, channels: int, reduction: bool, after_reduction: bool) -> Cell:
    """One cell; all normal cells make the same choices, and so do all reduction cells."""

    def normal(build: Callable[[int, int], nn.Module]) -> Callable[[], nn.Module]:
        return lambda: build(channels, 1)

    def reducing(build: Callable[[int, int], nn.Module]) -> Callable[[int, int, int], nn.Module]:
        return lambda node, position, source: build(channels, 2 if source < INPUTS else 1)

    make = reducing if reduction else normal
    return Cell(
        {name: make(build) for name, build in OPERATIONS.items()},
        num_nodes=NODES,
        num_ops_per_node=2,
        num_predecessors=INPUTS,
        preprocessor=Preprocess(before, last, channels, after_reduction),
        label="reduce" if reduction else "normal",
    )


class Darts(ModelSpace):
    """The network for CIFAR, with a reduction cell after one and after two thirds of its cells.

    Args:
        channels: of the first cells' nodes.
        layers: how many cells there are.
        classes: to tell apart.
    """

    def __init__(self, channels: int = 36, layers: int = 20, classes: int = 10) -> None:
        super().__init__()
        width = 3 * channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        cells: list[nn.Module] = []
        before, last, after_reduction = width, width, False
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels = 2 * channels if reduction else channels
            cells.append(cell(before, last, channels, reduction, after_reduction))
            before, last, after_reduction = last, NODES * channels, reduction
        self.cells = nn.ModuleList(cells)
        self.head = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        before = last = self.stem(x)
        for cell in self.cells:
            before, last = last, cell(before, last)
        return self.head(last.mean((2, 3)))


Gene = Sequence[tuple[str, int]]


def sample(normal: Gene, reduce: Gene) -> dict[str, object]:
    """The sample of a genotype as the paper's code writes it: for each node two operations with their inputs."""
    found: dict[str, object] = {}
    for label, gene in (("normal", normal), ("reduce", reduce)):
        for place, (operation, source) in enumerate(gene):
            node, position = INPUTS + place // 2, place % 2
            found[f"{label}.op_{node}_{position}"] = operation
            found[f"{label}.input_{node}_{position}"] = source
    return found


DARTS_V2 = sample(
    normal=[
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ],
    reduce=[
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ],
)
"""The architecture that second-order DARTS found; with 36 channels and 20 cells it has 3,349,342 parameters."""


def example_inputs() -> tuple[Tensor]:
    """One image of CIFAR."""
    return (torch.zeros(1, 3, 32, 32),)
