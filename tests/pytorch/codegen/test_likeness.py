"""What is remembered of one candidate's text never shows in another's."""

from __future__ import annotations

import enum
import sys
import types
import warnings
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from raynas import GraphSpace, LayerChoice, ModelSpace, ValueChoice, basic_unit, load_module, to_source, trace
from raynas.graph import Graph, Node, Set, Unit, simplify
from raynas.graph.texts import marks, text_of
from raynas.pytorch.codegen.memory import LIMIT, forget, memory
from tests.pytorch.test_random_networks import CHOICES, Network


def anew(graph: Graph) -> str:
    """The source of an equal graph, by one who remembers nothing."""
    forget()
    return to_source(Graph.from_json(graph.to_json(), trust=["tests"]))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(CHOICES, CHOICES, st.lists(st.integers(0, 30), min_size=2, max_size=8), st.booleans())
def test_a_text_is_the_same_whether_its_candidate_is_the_first_or_the_last(
    one: Any, other: Any, seeds: list[int], simple: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spaces = [trace(Network(shape)) for shape in (one, other)]
    forget()
    candidates = []
    for number, seed in enumerate(seeds):
        space = spaces[number % 2]
        graph = space.freeze(space.search_space.random(Random(seed)))
        graph = simplify(graph) if simple else graph
        candidates.append((graph, to_source(graph), graph.fingerprint()))
    for graph, text, fingerprint in reversed(candidates):
        assert to_source(graph) == text
        assert graph.fingerprint() == fingerprint
        assert anew(graph) == text
        assert Graph.from_json(graph.to_json()).fingerprint() == fingerprint


class Block(nn.Module):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.gain = 2
        self.op = LayerChoice([nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.ReLU()], label=label)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.op(x) * self.gain, x.mean(1, keepdim=True)], 1)[:, :4]


class Two(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = Block("one"), Block("two")

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x))


def of(block: Graph, target: str) -> Node:
    return next(node for node in block.nodes if target in node.target)


def put(block: Graph) -> None:
    block.members["op"] = Unit("torch.nn.Conv2d", (4, 4, 1))


def set_up(block: Graph) -> None:
    block.setup.append(Set("op.bias", None))


def keep(block: Graph) -> None:
    block.attributes["kept"] = [1, 2]


def keep_more(block: Graph) -> None:
    keep(block)
    to_source(block)
    block.attributes["kept"].append(3)


def argue(block: Graph) -> None:
    of(block, "mul").args = (of(block, "mul").args[0], 3)


def name(block: Graph) -> None:
    of(block, "mean").kwargs["keepdim"] = 1


def join(block: Graph) -> None:
    of(block, "cat").args[0].append(block.inputs[0])


def swap(block: Graph) -> None:
    of(block, "mul").target = "operator.add"


def rename(block: Graph) -> None:
    block.name = "Renamed"


def edit(block: Graph) -> None:
    block.find(target="mean")[0].update_kwarg("keepdim", 2)


@pytest.mark.parametrize("change", [put, set_up, keep, keep_more, argue, name, join, swap, rename, edit])
@pytest.mark.parametrize("simple", [False, True])
def test_a_graph_that_is_changed_has_the_text_of_what_it_is_now(change: Callable[[Graph], None], simple: bool) -> None:
    space = trace(Two())
    graph = space.freeze({"one": 0, "two": 0})
    graph = simplify(graph) if simple else graph
    before = to_source(graph)
    simplify(graph).fingerprint(), graph.fingerprint()
    block = graph.members["two"]
    assert isinstance(block, Graph)
    change(block)
    after = to_source(graph)
    assert after != before
    assert after == anew(graph)
    again = Graph.from_json(graph.to_json(), trust=["tests"])
    assert graph.fingerprint() == again.fingerprint()
    assert simplify(graph).to_json() == simplify(again).to_json()


def test_named_arguments_stand_in_the_order_of_their_own_graph() -> None:
    def net(**kwargs: Any) -> Graph:
        graph = Graph("Net", {"op": Unit("torch.nn.Conv2d", (1, 2, 3), kwargs)})
        node = graph.add("module", "op", (graph.add("input", "x"),))
        graph.add("output", "output", (node,))
        outer = Graph("Outer", {"net": graph})
        node = outer.add("graph", "net", (outer.add("input", "x"),))
        outer.add("output", "output", (node,))
        return outer

    assert "padding=1, bias=False" in to_source(net(padding=1, bias=False))
    assert "bias=False, padding=1" in to_source(net(bias=False, padding=1))


def test_marks_tell_apart_what_texts_do_not() -> None:
    first = enum.IntEnum("Size", {"small": 1}, module="a")
    other = enum.IntEnum("Size", {"small": 1}, module="b")
    assert text_of(first(1)) == text_of(other(1))
    assert marks([first(1)]) != marks([other(1)])
    assert marks({"a": 1, "b": 2}) != marks({"b": 2, "a": 1})
    assert marks((1, "a", None, [2.0, {"a": True}])) == ()


class Outer(ModelSpace):
    def __init__(self, unit: Any) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Inner(unit, number) for number in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x


class Inner(nn.Module):
    def __init__(self, unit: Any, number: int) -> None:
        super().__init__()
        self.part = unit(ValueChoice([3, 4], label=f"{number}"))

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)


def test_a_class_that_is_defined_anew_is_asked_for_its_arguments_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("notebook_of_likeness")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    texts = []
    for word in ("width", "size"):
        code = (
            f"class Part(nn.Module):\n def __init__(self, {word}): super().__init__()\n def forward(self, x): return x"
        )
        exec(code, module.__dict__ | {"nn": nn, "__name__": module.__name__}, found := {})
        module.Part = basic_unit(found["Part"])  # type: ignore[attr-defined]
        space = trace(Outer(module.Part))  # type: ignore[attr-defined]
        texts.append(to_source(space.freeze({"0": 3, "1": 4})))
        assert load_module(texts[-1])(torch.ones(2)).sum() == 2
    assert texts[0].replace("width", "size") == texts[1]
    assert texts[0] != texts[1]


def test_memory_is_bounded() -> None:
    forget()
    begun = memory()
    space = GraphSpace(Graph("Net"))
    for number in range(LIMIT + 2):
        inner = Graph("Net", attributes={"number": number})
        inner.add("output", "output", (inner.add("input", "x"),))
        space.graph.members["inner"] = inner
        to_source(space.graph)
    assert memory() is not begun
    assert len(memory().kinds) < LIMIT
