"""profile: the numbers of published networks, the same on shapes and on the module itself, and what is refused."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import raynas
from raynas.errors import CandidateError, GraphError
from raynas.graph import Graph
from raynas.pytorch.profiling import Profile, TensorSpec, profile
from raynas.pytorch.profiling.abstract import specs_of
from raynas.pytorch.profiling.walk import Walk
from raynas.pytorch.profiling.whole import run_whole

IMAGE = [torch.empty(1, 3, 224, 224, device="meta")]


class Basic(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample = None
        if stride != 1 or inner != outer:
            self.downsample = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        widths = [64, 64, 128, 256, 512]
        self.layers = nn.Sequential(
            *(nn.Sequential(Basic(a, b, 1 if a == b else 2), Basic(b, b, 1)) for a, b in pairwise(widths))
        )
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(self.layers(self.stem(x)), 1), 1))


def conv(inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outer),
        nn.ReLU6(),
    )


class Inverted(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int, ratio: int) -> None:
        super().__init__()
        wide = inner * ratio
        widen = [] if ratio == 1 else [conv(inner, wide, 1)]
        narrow = nn.Sequential(nn.Conv2d(wide, outer, 1, bias=False), nn.BatchNorm2d(outer))
        self.layers = nn.Sequential(*widen, conv(wide, wide, 3, stride, wide), narrow)
        self.around = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.around else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = [conv(3, 32, 3, 2)]
        inner = 32
        ratio = 1
        for outer, count, stride in [
            (16, 1, 1),
            (24, 2, 2),
            (32, 3, 2),
            (64, 4, 2),
            (96, 3, 1),
            (160, 3, 2),
            (320, 1, 1),
        ]:
            for i in range(count):
                blocks.append(Inverted(inner, outer, stride if i == 0 else 1, ratio))
                ratio = 6
                inner = outer
        self.features = nn.Sequential(*blocks, conv(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [(ResNet18, 11_689_512, 1_814_073_344), (MobileNetV2, 3_504_872, 300_774_272)],
)
def test_published_numbers(network: type[nn.Module], params: int, macs: int) -> None:
    found = profile(raynas.trace(network).freeze(), IMAGE)

    assert (found.params, found.macs) == (params, macs)
    assert found.flops == 2 * macs
    assert found.output == TensorSpec((1, 1000), "float32")


def both(graph: Graph, inputs: Sequence[Any]) -> tuple[Profile, Profile]:
    """The profile by shapes and that of the module itself; the first raises where shapes alone say nothing."""
    walk = Walk(graph)
    output = walk.run(specs_of(tuple(inputs)))
    return Profile.of(walk.rows(), output), run_whole(graph, tuple(inputs), None)


def numbers(found: Profile) -> tuple[Any, ...]:
    return found.params, found.flops, found.activation_bytes, found.output


class Attending(nn.Module):
    """Matrix products outside layers, a parameter of its own, a buffer, several outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
        self.scale = nn.Parameter(torch.ones(16))
        self.register_buffer("shift", torch.zeros(16))
        self.head = nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight
        self.never = nn.Linear(3, 3)

    def forward(self, tokens: Tensor) -> dict[str, Any]:
        x = self.embed(tokens) * self.scale + self.shift
        x, weights = self.attend(x, x, x)
        scores = torch.einsum("bid,bjd->bij", x, x)
        most = scores.max(-1)
        return {"logits": self.head(x), "all": [scores, weights], "index": most.indices.view(x.size(0), -1)}


def test_shapes_and_module_agree() -> None:
    graph = raynas.trace(Attending).freeze()
    tokens = torch.zeros(2, 7, dtype=torch.int64)

    by_shapes, by_module = both(graph, [tokens])

    assert numbers(by_shapes) == numbers(by_module)
    model = Attending().eval()
    assert by_shapes.params == sum(parameter.numel() for parameter in model.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            model(tokens)
        finally:
            torch.backends.mha.set_fastpath_enabled(True)
    assert by_shapes.flops == counter.get_total_flops()
    assert by_shapes.output["index"] == TensorSpec((2, 7), "int64")


@settings(max_examples=15)
@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    kernel=st.sampled_from([1, 3]),
    groups=st.booleans(),
    size=st.integers(4, 7),
    batch=st.integers(1, 3),
)
def test_the_table_adds_up(widths: list[int], kernel: int, groups: bool, size: int, batch: int) -> None:
    def build() -> nn.Module:
        layers: list[nn.Module] = []
        for inner, outer in zip([2, *widths], widths, strict=False):
            layers += [nn.Conv2d(inner, outer, kernel, padding="same"), nn.BatchNorm2d(outer), nn.GELU()]
            layers += [nn.Conv2d(outer, outer, kernel, padding="same", groups=outer)] if groups else []
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(widths[-1] * 4, 3))

    by_shapes, by_module = both(raynas.trace(build).freeze(), [torch.zeros(batch, 2, size, size)])

    for found in (by_shapes, by_module):
        assert found.params == sum(row.params for row in found.layers)
        assert found.flops == sum(row.flops for row in found.layers)
        assert found.activation_bytes == sum(row.activation_bytes for row in found.layers)
    assert by_shapes == by_module


def test_a_unit_that_is_called_twice_owns_its_parameters_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)
            self.same = self.layer

        def forward(self, x: Tensor) -> Tensor:
            return self.same(self.layer(x))

    by_shapes, by_module = both(raynas.trace(Twice).freeze(), [torch.zeros(1, 4)])

    assert by_shapes == by_module
    assert by_shapes.params == 20
    assert [(row.path, row.flops, row.activation_bytes) for row in by_shapes.layers] == [("layer", 64, 32)]


@raynas.basic_unit
class Peeking(nn.Module):
    """What it returns depends on the data."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if x.sum().item() > -1 else x


class Looking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.peeking = Peeking()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.peeking(x))


def test_data_dependent_units_run_for_real() -> None:
    graph = raynas.trace(Looking).freeze()
    state = torch.get_rng_state()

    found = profile(graph, [torch.zeros(3, 4)])

    assert (found.params, found.flops, found.output) == (10, 48, TensorSpec((3, 2), "float32"))
    assert [row.path for row in found.layers] == ["peeking", "layer"]
    assert torch.equal(torch.get_rng_state(), state)


class OnCpu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.arange(4, device="cpu")


def test_a_named_device_is_no_obstacle() -> None:
    assert profile(raynas.trace(OnCpu).freeze(), [torch.zeros(3, 4)]).output == TensorSpec((3, 4), "float32")


def test_views_of_the_wrong_strides_are_found() -> None:
    class Transposed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.transpose(1, 2).view(2, 12)

    with pytest.raises(CandidateError, match="view"):
        profile(raynas.trace(Transposed).freeze(), [torch.zeros(2, 3, 4)])


def test_reshaping_in_place_is_seen() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x + 1
            y.unsqueeze_(0)
            return y * 2

    graph = raynas.trace(InPlace).freeze()

    assert profile(graph, [torch.zeros(2, 3)]).output == TensorSpec((1, 2, 3), "float32")


class Misfit(raynas.ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, raynas.ValueChoice([8, 16], label="width"))
        self.second = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return self.second(x)


def test_a_candidate_that_cannot_run_is_refused() -> None:
    space = raynas.trace(Misfit())
    inputs = [torch.zeros(1, 4)]
    wrong = raynas.Sample({"width": 16})

    assert profile(space.freeze({"width": 8}), inputs).params == 58
    with pytest.raises(CandidateError) as caught:
        profile(space.freeze(wrong), inputs, wrong)

    message = str(caught.value)
    assert "\n" not in message
    assert "width=16" in message
    source = raynas.to_source(space.freeze(wrong)).splitlines()
    line = next(i for i, text in enumerate(source, 1) if "self.second(x)" in text)
    assert f"line {line} of its source" in message
    assert "self.second(x)" in message
    assert "cannot be multiplied" in message


def test_a_constructor_that_fails_is_refused() -> None:
    class Grouped(raynas.ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(4, 4, 1, groups=raynas.ValueChoice([2, 3], label="groups"))

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    graph = raynas.trace(Grouped()).freeze({"groups": 3})

    with pytest.raises(CandidateError, match=r"groups=3.*divisible by groups"):
        profile(graph, [torch.zeros(1, 4, 2, 2)])


def test_an_unfrozen_graph_is_refused() -> None:
    class Open(raynas.ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.layer = raynas.LayerChoice([nn.Identity(), nn.ReLU()], label="op")

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    with pytest.raises(GraphError, match="freeze the graph first"):
        profile(raynas.trace(Open()).graph, [torch.zeros(1)])


class Operation(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.relu(x)))


class Cell(nn.Module):
    """Three nodes, each the sum of operations on all before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(Operation(width) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        a = self.operations[0](x)
        b = self.operations[1](x) + self.operations[2](a)
        return self.operations[3](x) + self.operations[4](a) + self.operations[5](b)


class Network(nn.Module):
    """More than 200 nodes: nine cells in three stages."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1)]
        for stage, width in enumerate((16, 32, 64)):
            layers += [nn.Conv2d(width // 2, width, 1, 2)] if stage else []
            layers += [Cell(width) for _ in range(3)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x).mean((2, 3)))


def test_table() -> None:
    text = profile(raynas.trace(Looking).freeze(), [torch.zeros(3, 4)]).table()

    assert [line.split() for line in text.splitlines()] == [
        ["layer", "type", "output", "params", "FLOPs"],
        ["peeking", "Peeking", "float32[3,", "4]", "0", "0"],
        ["layer", "Linear", "float32[3,", "2]", "10", "48"],
        ["float32[3,", "2]", "10", "48"],
    ]
