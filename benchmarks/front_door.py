"""How long the front door takes: trace, freeze, source, load, against `torch.fx.symbolic_trace` of the same model.

    python -m benchmarks.front_door

Times are processor seconds, the least of several runs; constructing layers is not counted. torch.fx is given room for
its frames, as we have it (`raynas.graph.room`): at some depths of its caller it would take half as long again without,
which would flatter us.
"""

from __future__ import annotations

import gc
import math
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from raynas import LayerChoice, ModelSpace, ValueChoice
from raynas.graph import GraphSpace
from raynas.graph.room import roomy
from raynas.pytorch import load_module, to_source, trace
from raynas.pytorch.calling import Inputs
from raynas.pytorch.labels import name_labels
from raynas.pytorch.trace import built, opened
from tests.pytorch.vision.densenet import DenseNet
from tests.pytorch.vision.mobile import EfficientNet, MobileNetV3, RegNet
from tests.pytorch.vision.resnet import BasicBlock, Bottleneck, ResNet
from tests.pytorch.vision.transformers import ConvNeXt, Swin, ViT

MODELS: dict[str, Callable[[], nn.Module]] = {
    "ResNet-18": lambda: ResNet(BasicBlock, [2, 2, 2, 2], 10, 8),
    "ResNet-50": lambda: ResNet(Bottleneck, [3, 4, 6, 3], 10, 8),
    "DenseNet-121": lambda: DenseNet(4, (6, 12, 24, 16), 8),
    "MobileNetV3": lambda: MobileNetV3(0.25),
    "EfficientNet-B0": lambda: EfficientNet(0.25),
    "RegNet": lambda: RegNet((8, 16, 24, 32)),
    "ConvNeXt": lambda: ConvNeXt((4, 8, 16, 32)),
    "Swin": lambda: Swin(16, (2, 2, 6, 2), 4),
    "ViT": lambda: ViT(32, 8, 12, 2, 16, 32),
}


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.norm(self.linear(x)))


class Deep(nn.Module):
    """A chain of equal blocks."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(4) for _ in range(blocks)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Wide(ModelSpace):
    """A space of about 200 nodes: 40 blocks, each a choice."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([4, 8], label="width")
        self.stem = nn.Linear(4, width)
        self.blocks = nn.ModuleList([LayerChoice([Block(width), nn.Identity()]) for _ in range(40)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x


def least(*works: Callable[[], object], runs: int = 5) -> list[float]:
    """Processor seconds of the fastest of several runs of each, which take turns."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, seconds in zip(works, found, strict=True):
            gc.collect()
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
    return [min(seconds) for seconds in found]


def ours(root: nn.Module) -> None:
    """Trace, freeze, source, compile."""
    graph, _ = opened(root, Inputs.of(root, None))
    compile(to_source(GraphSpace(graph).freeze()), "<generated>", "exec")


def measured(factory: Callable[[], nn.Module]) -> tuple[int, float, float, float]:
    """Nodes, and seconds of torch.fx, of the way there, and of all of it with loading and proving."""
    root = built(factory)
    name_labels(root)
    graph, _ = opened(root, Inputs.of(root, None))
    nodes = sum(len(inner.nodes) for inner in graph.subgraphs())
    symbolic_trace = roomy(fx.symbolic_trace)
    theirs, mine = least(lambda: symbolic_trace(root), lambda: ours(root), runs=9)
    (whole,) = least(lambda: load_module(to_source(trace(factory).freeze())), runs=2)
    return nodes, theirs, mine, whole


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"{'model':<18}{'nodes':>7}{'torch.fx':>12}{'raynas':>12}{'ratio':>8}{'with layers and proof':>24}")
    for name, factory in MODELS.items():
        print(row(name, *measured(factory)))
    points = []
    for blocks in (50, 100, 200, 400):
        nodes, theirs, mine, whole = measured(lambda blocks=blocks: Deep(blocks))  # type: ignore[misc]  # bound now
        points.append((math.log(nodes), math.log(mine)))
        print(row(f"{blocks} blocks", nodes, theirs, mine, whole))
    print(f"time grows with nodes to the power of {slope(points):.2f}")
    space = trace(Wide())
    sample = space.search_space.default()
    (seconds,) = least(lambda: to_source(space.freeze(sample)), runs=20)
    print(f"a candidate of a traced space, freeze and source: {seconds * 1e3:.1f} ms")


def row(name: str, nodes: int, theirs: float, mine: float, whole: float) -> str:
    """One line of the table."""
    times = f"{theirs * 1e3:>9.1f} ms{mine * 1e3:>9.1f} ms{mine / theirs:>8.2f}{whole * 1e3:>21.1f} ms"
    return f"{name:<18}{nodes:>7}{times}"


def slope(points: list[tuple[float, float]]) -> float:
    """The slope of the line through points that is nearest in squares."""
    x, y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


if __name__ == "__main__":
    main()
