"""Graphs that somebody changes in place, some levels down: what was known of them, and of all around, is forgotten."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from raynas import LayerChoice, ModelSpace, to_source, trace
from raynas.graph import Graph, Node, simplify


class Inner(nn.Module):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.op = LayerChoice([nn.ReLU(), nn.Tanh()], label=label)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x).mul(2)


class Outer(nn.Module):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.inner = Inner(label)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 1


class Net(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Outer("changed_one"), Outer("changed_two")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(self.one(x))


SAMPLE = {"changed_one": 0, "changed_two": 1}


def product(graph: Graph) -> Node:
    return next(node for node in graph.nodes if node.target == "mul")


def by_hand(graph: Graph, inner: Graph) -> None:
    product(inner).args = (*product(inner).args[:1], 3)


def by_its_own_verb(graph: Graph, inner: Graph) -> None:
    inner.find(target="mul")[0].update_arg(1, 3)


def from_above(graph: Graph, inner: Graph) -> None:
    graph.find(target="mul")[0].update_arg(1, 3)


@pytest.mark.parametrize("change", [by_hand, by_its_own_verb, from_above])
@pytest.mark.parametrize("simple", [False, True])
@pytest.mark.parametrize("alone", [False, True], ids=["seen in its place", "seen alone first"])
def test_a_change_far_below_is_seen(change: Callable[[Graph, Graph], None], simple: bool, alone: bool) -> None:
    graph = trace(Net()).freeze(SAMPLE)
    graph = simplify(graph) if simple else graph
    simplify(graph).fingerprint(), graph.fingerprint(), to_source(graph)
    inner = graph.member("one.inner")
    assert isinstance(inner, Graph)
    change(graph, inner)
    if alone:
        simplify(inner).fingerprint(), to_source(inner)
    again = Graph.from_json(graph.to_json())
    assert graph.fingerprint() == again.fingerprint()
    assert to_source(graph) == to_source(again)
    assert simplify(graph).to_json() == simplify(again).to_json()


class Single(Net):
    """Of forms that no other test has made."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Outer("single_one"), Outer("single_two")


def test_what_was_changed_is_no_model_for_what_comes_later() -> None:
    sample = {"single_one": 0, "single_two": 1}
    first = trace(Single()).freeze(sample)
    simple = simplify(first)
    inner = simple.member("one.inner")
    assert isinstance(inner, Graph)
    by_hand(simple, inner)
    frozen = trace(Single()).freeze(sample)
    assert simplify(frozen).to_json() == simplify(Graph.from_json(frozen.to_json())).to_json()
