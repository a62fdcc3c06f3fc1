"""What is told at a glance is what the long way finds."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.spaces.nas_bench_201 import NasBench201
from raynas import trace
from raynas.graph import Graph, GraphSpace, plain, reduce, simplify

from .graphs import cell, drawn_cells

SPACE = trace(NasBench201(4, 1, 3)).to_json()


def long_way(graph):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce, "is_plain", lambda graph, scope: False)
        return simplify(Graph.from_json(graph.to_json())).to_json()


@given(drawn_cells())
def test_cells(drawn):
    graph = cell(*drawn)
    assert simplify(graph).to_json() == long_way(graph)


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_samples(seed):
    space = GraphSpace.from_json(SPACE)
    for number in range(3):
        graph = space.freeze(space.search_space.random(Random(seed + number)))
        assert simplify(graph).to_json() == long_way(graph)


FUNCTIONS = ("torch.relu", "torch.zeros_like", "torch.relu_", "operator.add", "operator.iadd", "torch.rand_like")


@given(st.lists(st.tuples(st.sampled_from(FUNCTIONS), st.integers(0, 5), st.integers(0, 5)), max_size=6))
def test_functions(steps):
    graph = Graph("Net")
    values = [graph.add("input", "x")]
    for name, left, right in steps:
        two = name.startswith("operator.")
        args = (values[left % len(values)], values[right % len(values)])[: 2 if two else 1]
        values.append(graph.add("function", name, args))
    graph.add("output", "output", (values[-1],))
    assert simplify(graph).to_json() == long_way(graph)


def test_some_are_plain_and_some_are_not():
    def net(*names):
        graph = Graph("Net")
        x = graph.add("input", "x")
        for name in names:
            x = graph.add("function", name, (x,))
        graph.add("output", "output", (x,))
        return graph

    assert plain.is_plain(net("torch.relu", "torch.tanh", "torch.relu"), {})
    assert not plain.is_plain(net("torch.relu", "torch.relu_"), {})
    assert not plain.is_plain(net("torch.zeros_like"), {})
