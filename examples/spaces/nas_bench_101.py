"""NAS-Bench-101 (Ying et al., 2019): one cell of up to seven vertices and nine edges, nine times in a row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from raynas import ModelSpace, NasBench101Cell

LABEL = "cell"


class ConvBNReLU(nn.Sequential):
    """Convolution, normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels, eps=1e-5, momentum=0.003),
            nn.ReLU(),
        )


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    "conv3x3-bn-relu": lambda channels: ConvBNReLU(channels, channels, 3),
    "conv1x1-bn-relu": lambda channels: ConvBNReLU(channels, channels, 1),
    "maxpool3x3": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
}


class NasBench101(ModelSpace):
    """The network for CIFAR: three stacks of equal cells, each after the first at half the size and twice the channels.

    Args:
        channels: of the first stack.
        stacks: how many.
        cells: of each stack.
        classes: to tell apart.
        max_nodes: how many vertices a cell has at most.
        max_edges: how many edges.
    """

    def __init__(
        self,
        channels: int = 128,
        stacks: int = 3,
        cells: int = 3,
        classes: int = 10,
        max_nodes: int = 7,
        max_edges: int = 9,
    ) -> None:
        super().__init__()
        body: list[nn.Module] = [ConvBNReLU(3, channels, 3)]
        before = channels
        for stack in range(stacks):
            width = channels * 2**stack
            if stack:
                body.append(nn.MaxPool2d(2))
            for _ in range(cells):
                body.append(
                    NasBench101Cell(
                        OPERATIONS,
                        before,
                        width,
                        lambda i, o: ConvBNReLU(i, o, 1),
                        max_nodes,
                        max_edges,
                        label=LABEL,
                    )
                )
                before = width
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


def sample(matrix: list[list[int]], operations: list[str]) -> dict[str, object]:
    """The sample of a cell as the paper writes it: an upper triangular matrix, and operations between input and output.

    >>> sample([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["maxpool3x3"])
    {'cell.nodes': 3, 'cell.edges_3': ((0,), (0, 1)), 'cell.op_1': 'maxpool3x3'}
    """
    count = len(matrix)
    feeding = tuple(tuple(i for i in range(j) if matrix[i][j]) for j in range(1, count))
    chosen: dict[str, object] = {f"{LABEL}.nodes": count}
    if count > 2:
        chosen[f"{LABEL}.edges_{count}"] = feeding
    return chosen | {f"{LABEL}.op_{vertex}": name for vertex, name in enumerate(operations, start=1)}


INCEPTION = sample(
    [
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ["conv1x1-bn-relu", "conv3x3-bn-relu", "conv3x3-bn-relu", "conv3x3-bn-relu", "maxpool3x3"],
)
"""The cell that the benchmark's own documentation looks up; it has 2,694,282 parameters."""


def example_inputs() -> tuple[Tensor]:
    """One image of CIFAR."""
    return (torch.zeros(1, 3, 32, 32),)
