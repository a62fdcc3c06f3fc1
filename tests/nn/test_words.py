"""Laws of everything that a space can express, on spaces drawn from all words nested three deep."""

import json
from collections.abc import Callable
from itertools import islice
from random import Random

import torch
from hypothesis import HealthCheck, assume, given, settings
from spaces_of_modules import WIDTH, models
from torch import nn

from raynas import GraphSpace, LayerChoice, Repeat, ValueChoice, load_module, to_source, trace
from raynas.graph import simplify
from raynas.search_space import Value

ENOUGH = 3_000
X = torch.linspace(-1, 1, 2 * WIDTH * 25).reshape(2, WIDTH, 5, 5)
quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


class Reading(dict[str, Value]):
    """A sample that knows what of it was asked for."""

    def __init__(self, values: dict[str, Value]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, label: str) -> Value:
        self.read.add(label)
        return super().__getitem__(label)


@quick
@given(models())
def test_the_size_is_that_of_the_grid(build: Callable[[], nn.Module]) -> None:
    space = trace(build).search_space
    size = space.size()
    assert size is not None
    assume(size <= ENOUGH)
    samples = list(space.grid())
    assert len(samples) == size == len(set(samples))


@quick
@given(models())
def test_a_sample_has_exactly_the_labels_that_its_graph_needs(build: Callable[[], nn.Module]) -> None:
    """So two samples are two graphs, and the size is the number of graphs that were meant."""
    from raynas.graph.freeze import freeze

    space = trace(build)
    document, rng = space.to_json(), Random(0)
    for _ in range(6):
        sample = Reading(dict(space.search_space.random(rng)))
        freeze(GraphSpace.from_json(document, trust=["spaces_of_modules"]).graph, sample)  # remembers no other sample
        # An input choice whose result the next block does not use is still made; nothing else may go unread.
        assert sample.read == set(sample)


@quick
@given(models())
def test_every_sample_survives_json_source_and_a_call(build: Callable[[], nn.Module]) -> None:
    space = trace(build)
    again = GraphSpace.from_json(space.to_json(), trust=["spaces_of_modules"])
    assert again.search_space == space.search_space
    assert json.loads(again.to_json()) == json.loads(space.to_json())
    samples = [*islice(space.search_space.grid(), 4), *(space.search_space.random(Random(i)) for i in range(4))]
    for sample in samples:
        source = to_source(again.freeze(sample))
        assert source == to_source(space.freeze(sample))
        torch.manual_seed(0)
        module = load_module(source).eval()
        with torch.no_grad():
            output = module(X)
        assert output.shape == X.shape
        simple = load_module(to_source(simplify(space.freeze(sample)))).eval()
        with torch.no_grad():
            assert simple(X).shape == X.shape


@quick
@given(models())
def test_the_default_sample_is_the_model_that_was_written(build: Callable[[], nn.Module]) -> None:
    model = build().eval()
    space = trace(build)
    generated = space.build().eval()
    with torch.no_grad():
        assert generated(X).shape == model(X).shape


def test_a_block_is_asked_for_its_position_where_it_takes_one() -> None:
    def inplace(block: Repeat) -> list[bool]:
        return [bool(part.inplace) for part in block.blocks]

    assert inplace(Repeat(nn.ReLU, 2)) == inplace(Repeat(lambda: nn.ReLU(), 2)) == [False, False]
    assert inplace(Repeat(lambda i=7: nn.ReLU(i), 2)) == [False, True]


def residual(inner: int, outer: int) -> nn.Module:
    way = LayerChoice({True: nn.Identity(), False: nn.Linear(inner, outer)}, "shortcut", pick=inner == outer)
    return nn.Sequential(nn.ReLU(), way)


def test_a_pick_may_be_decided_already() -> None:
    assert trace(lambda: residual(2, 2)).search_space.size() == 1
    assert isinstance(trace(lambda: residual(2, 3)).build()(X.new_zeros(1, 2)), torch.Tensor)
    space = trace(lambda: residual(2, ValueChoice([2, 3], label="outer")))
    assert {text.count("nn.Linear(") for text in (to_source(space.freeze({"outer": n})) for n in (2, 3))} == {0, 1}
    text = GraphSpace.from_json(trace(lambda: residual(2, 3)).to_json())
    assert "nn.Linear(2, 3)" in to_source(text.freeze())


def test_blocks_may_be_given_one_by_one() -> None:
    space = trace(lambda: nn.Sequential(Repeat([nn.Linear(2, 2), nn.Linear(2, 2, bias=False)], (1, 2), "depth")))
    assert "bias=False" in to_source(space.freeze({"depth": 2}))
    assert "bias=False" not in to_source(space.freeze({"depth": 1}))
