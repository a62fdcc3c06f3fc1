"""What a search makes of samples is what freezing and simplifying make of them, in whatever order they come."""

from collections.abc import Callable
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from examples.spaces.nas_bench_201 import NasBench201
from raynas import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice, to_source, trace
from raynas.graph import Graph, GraphSpace, Unit, simplify
from raynas.graph.fingerprint import settled_fingerprint
from raynas.pytorch.codegen import settled_source
from raynas.search_space.expression import Leaf


class Block(nn.Module):
    def __init__(self, width: ValueChoice, label: str) -> None:
        super().__init__()
        kinds = [nn.Conv2d(width, width, 3, padding=1), nn.MaxPool2d(3, 1, 1), nn.Identity(), nn.ReLU(inplace=True)]
        self.op = LayerChoice(kinds, label=label)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.op(x) + x)


class Twice(nn.Module):
    def __init__(self, width: ValueChoice, label: str) -> None:
        super().__init__()
        self.one, self.two = Block(width, f"{label}_one"), Block(width, f"{label}_two")
        self.spare = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x) * 2)


class Chain(ModelSpace):
    """Choices mostly in opened modules."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([2, 4], label="width")
        self.stem = nn.Conv2d(1, width, ValueChoice([1, 3], label="kernel"), padding="same")
        self.blocks = nn.Sequential(Block(width, "a"), Twice(width, "b"), nn.Identity(), Block(width, "a"))
        self.either = LayerChoice([Twice(width, "c"), Block(width, "d"), nn.Identity()], label="either")
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.either(self.blocks(torch.relu(self.stem(x)))).mean((2, 3)))


class Deep(ModelSpace):
    """Depths, inputs and modules that give back what they get."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([2, 4], label="width")
        self.stem = nn.Conv2d(1, width, 1)
        self.body = Repeat(lambda index: Block(width, f"r{index}"), (1, 3), label="depth")
        self.pick = InputChoice(n_candidates=2, n_chosen=1, label="pick")
        self.rest = nn.Sequential(LayerChoice([nn.Identity(), Block(width, "e")], label="rest"), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        first = self.stem(x)
        return self.rest(self.pick([self.body(first), first]))


class Tied(ModelSpace):
    """A module in two places."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([2, 4], label="width")
        self.stem = nn.Conv2d(1, width, 1)
        self.one = Block(width, "t")
        self.two = nn.Sequential(self.one, Block(width, "u"))

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(self.stem(x)))


def one_graph_in_two_places() -> GraphSpace:
    block = Graph("Block", {"op": Unit("torch.nn.Linear", (4, 4), {"bias": Leaf((True, False), "bias")})})
    block.add("output", "output", (block.add("module", "op", (block.add("input", "x"),)),))
    graph = Graph("Net", {"one": block, "two": block, "end": Unit("torch.nn.Linear", (4, Leaf((1, 2), "end")))})
    x = graph.add("graph", "two", (graph.add("graph", "one", (graph.add("input", "x"),)),))
    graph.add("output", "output", (graph.add("module", "end", (x,)),))
    return GraphSpace(graph)


SPACES: dict[str, Callable[[], GraphSpace]] = {
    "chain": lambda: trace(Chain()),
    "deep": lambda: trace(Deep()),
    "tied": lambda: trace(Tied()),
    "two places": one_graph_in_two_places,
    "cells": lambda: trace(NasBench201(4, 1, 7)),
}


@pytest.mark.parametrize("name", SPACES)
def test_a_candidate_is_what_freezing_and_simplifying_make(name: str) -> None:
    public = SPACES[name]()
    trust = ["tests", "examples", "raynas"]

    @settings(max_examples=20)
    @given(seed=st.integers(0, 2**32))
    def law(seed: int) -> None:
        own, rng = GraphSpace.from_json(public.to_json(), trust=trust), Random(seed)
        sample = own.search_space.random(rng)
        for _ in range(12):
            candidate = own.candidate(sample)
            simple = simplify(public.freeze(sample))
            assert candidate.to_json() == simple.to_json()
            assert settled_fingerprint(candidate) == simple.fingerprint()
            assert settled_source(candidate) == to_source(simple)
            further = own.search_space.mutate(sample, rng) if rng.random() < 0.5 else None
            sample = further or own.search_space.random(rng)

    law()


def test_one_module_in_two_places_of_a_candidate_has_two_sets_of_parameters() -> None:
    space = one_graph_in_two_places()
    for end in (1, 2, 1):
        candidate = space.candidate({"bias": True, "end": end})
        one, two = candidate.member("one.op"), candidate.member("two.op")
        assert one is not two
