"""Freezing: what variants of one space share, and what each has for itself."""

import pytest
from torch import nn

from raynas import LayerChoice, ModelSpace, to_source, trace
from raynas.graph import Graph, GraphSpace, Unit, simplify
from raynas.search_space import Leaf


class Block(nn.Module):
    def __init__(self, label):
        super().__init__()
        self.op = LayerChoice([nn.Linear(4, 4), nn.ReLU()], label=label)

    def forward(self, x):
        return self.op(x) + x


class Two(ModelSpace):
    def __init__(self):
        super().__init__()
        self.one, self.two = Block("one"), Block("two")

    def forward(self, x):
        return self.two(self.one(x))


@pytest.fixture(scope="module")
def space():
    return trace(Two())


def test_a_choice_that_somebody_puts_into_a_traced_graph_is_found():
    graph = trace(lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.ReLU())).graph
    inner = graph.members["0"]
    inner.members["1"] = trace(Two()).graph.members["one"].members["op"]
    inner.nodes[2].op = "choice"
    space = GraphSpace(graph)
    assert [domain.label for domain in space.search_space] == ["one"]
    made = [space.freeze({"one": one}).members["0"].members["1"].text for one in (0, 1)]
    assert made[0] != made[1]


def test_variants_share_what_has_the_same_choices_in_it(space):
    first, second = space.freeze({"one": 0, "two": 0}), space.freeze({"one": 0, "two": 1})
    assert first.members["one"] is second.members["one"]
    assert first.members["two"] is not second.members["two"]
    assert simplify(first).members["one"] is simplify(second).members["one"]


def test_the_outermost_graph_is_everybodys_own(space):
    sample = {"one": 0, "two": 1}
    source = to_source(space.freeze(sample))
    graph = space.freeze(sample)
    graph.remove(graph.find(op="graph")[0])
    assert to_source(graph) != source
    assert to_source(space.freeze(sample)) == source


def test_a_graph_that_is_changed_with_add_forgets_what_was_known_of_it(space):
    graph = space.freeze({"one": 0, "two": 1})
    inner = graph.members["two"].copied()
    inner.notes["form"] = graph.members["two"].notes["form"]
    last = inner.nodes.pop()
    inner.add("output", "output", (inner.add("function", "torch.relu", last.args),))
    assert inner.fingerprint() != graph.members["two"].fingerprint()


def block():
    graph = Graph("Block", {"op": Unit("torch.nn.Linear", (4, 4), {"bias": Leaf((True, False), "bias")})})
    x = graph.add("input", "x")
    graph.add("output", "output", (graph.add("module", "op", (x,)),))
    return graph


def chain(blocks):
    graph = Graph("Net", {f"b{i}": block for i, block in enumerate(blocks)})
    x = graph.add("input", "x")
    for name in graph.members:
        x = graph.add("graph", name, (x,))
    graph.add("output", "output", (x,))
    return GraphSpace(graph)


def test_one_graph_in_two_places_does_not_share_its_parameters_once_frozen():
    once = block()
    for _ in range(2):
        frozen = chain([once, once]).freeze({"bias": False})
        assert frozen.fingerprint() == chain([block(), block()]).freeze({"bias": False}).fingerprint()
