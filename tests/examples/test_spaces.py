"""The ready spaces: their sizes, published members to the last parameter, and members drawn at random that run."""

from random import Random
from types import ModuleType
from typing import Any

import pytest
import torch

from examples.spaces import darts, mobilenet_v3_like, nas_bench_101, nas_bench_201, vit_small
from raynas import GraphSpace, load_module, profile, to_source, trace
from raynas.graph import simplify


def counts(space: GraphSpace, sample: Any, example: ModuleType) -> tuple[int, int]:
    """Parameters and multiply-accumulates."""
    found = profile(simplify(space.freeze(sample)), example.example_inputs())
    return found.params, found.flops // 2


def run_some(space: GraphSpace, example: ModuleType, classes: int, number: int = 3) -> None:
    rng = Random(0)
    for _ in range(number):
        frozen = space.freeze(space.search_space.random(rng))
        with torch.no_grad():
            for graph in (frozen, simplify(frozen)):
                output = load_module(to_source(graph)).eval()(*example.example_inputs())
                assert output.shape == (1, classes)


def test_nas_bench_201() -> None:
    space = trace(nas_bench_201.NasBench201())
    assert space.search_space.size() == 15_625
    for operation, params, macs in (
        ("nor_conv_3x3", 1_531_546, 220_119_680),
        ("nor_conv_1x1", 241_306, 31_376_000),
        ("skip_connect", 73_306, 7_783_040),
    ):
        assert counts(space, nas_bench_201.everywhere(operation), nas_bench_201) == (params, macs)
    run_some(trace(nas_bench_201.NasBench201(4, 1, 7)), nas_bench_201, 7)


@pytest.mark.parametrize(("nodes", "labelled"), [(2, 1), (3, 7), (4, 97), (5, 3_364), (6, 128_509), (7, 1_293_208)])
def test_nas_bench_101_counts_as_the_paper_does(nodes: int, labelled: int) -> None:
    space = trace(nas_bench_101.NasBench101(4, 1, 1, max_nodes=nodes))
    assert space.search_space.size() == labelled


def test_nas_bench_101_runs() -> None:
    run_some(trace(nas_bench_101.NasBench101(8, 2, 2)), nas_bench_101, 10, number=8)


@pytest.mark.slow
def test_nas_bench_101_member() -> None:
    space = trace(nas_bench_101.NasBench101())
    assert counts(space, nas_bench_101.INCEPTION, nas_bench_101)[0] == 2_694_282


@pytest.mark.slow
def test_darts_member() -> None:
    space = trace(darts.Darts())
    assert counts(space, darts.DARTS_V2, darts)[0] == 3_349_342


def test_darts() -> None:
    space = trace(darts.Darts(4, 4))
    inputs, operations = (2 * 3 * 4 * 5) ** 2, len(darts.OPERATIONS) ** 8
    assert space.search_space.size() == (inputs * operations) ** 2
    run_some(space, darts, 10)


def test_mobilenet() -> None:
    space = trace(mobilenet_v3_like.MobileNet())
    member = mobilenet_v3_like.mobilenet_v2()
    assert counts(space, member, mobilenet_v3_like) == (3_504_872, 300_774_272)
    run_some(space, mobilenet_v3_like, 1000, number=1)


def test_vision_transformer() -> None:
    space = trace(vit_small.VisionTransformer())
    assert space.search_space.size() is None
    run_some(space, vit_small, 10)


@pytest.mark.parametrize(
    ("example", "model"),
    [
        (nas_bench_201, nas_bench_201.NasBench201(4, 1)),
        (nas_bench_101, nas_bench_101.NasBench101(4, 1, 1)),
        (darts, darts.Darts(4, 3)),
        (vit_small, vit_small.VisionTransformer()),
    ],
)
def test_spaces_run_at_their_defaults(example: ModuleType, model: torch.nn.Module) -> None:
    assert model.eval()(*example.example_inputs()).shape == (1, 10)
