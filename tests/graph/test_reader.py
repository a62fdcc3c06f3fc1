"""Documents that somebody has changed, anywhere and in any way: refused in one line, or as good as any other."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spoiling import spoiled
from torch import Tensor, nn

from raynas import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice
from raynas.errors import GraphError, RaynasError
from raynas.graph import Graph, GraphSpace
from raynas.pytorch import to_source, trace


class Space(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([4, 8], label="width")
        self.wide = nn.Linear(4, width)
        self.narrow = nn.Linear(width, 4)
        self.act = LayerChoice({"relu": nn.ReLU(), "gelu": nn.GELU()}, label="act")
        self.blocks = Repeat(lambda _: nn.Linear(4, 4), (1, 3), label="depth")
        self.join = InputChoice(n_candidates=2, label="join")

    def forward(self, x: Tensor) -> Any:
        y = self.join([x, self.narrow(self.act(self.wide(x)))])
        return self.blocks(y) * x.size(0), {"part": y[:, 1:3]}


class Odd(nn.Module):
    """Names twice, a constructor with steps, a mode, and all kinds of parameters of a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.both = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.both[1].momentum = 0.3
        self.first.requires_grad_(False)
        nn.init.zeros_(self.both[0].weight)
        self.copied = copy.deepcopy(self.first)
        self.scale = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.arange(4.0), persistent=False)
        self.sizes = [1, 2, (3, 4)]

    def forward(self, x: Tensor, factor: float = 1.0) -> Any:
        x = self.both(x) + self.scale if self.training else self.first(x)
        return self.again(self.copied(x)) * factor + self.shift, x.shape[0] // 2


def documents() -> dict[str, Any]:
    space = trace(Space())
    texts = [space.to_json(), space.freeze(space.search_space.random(Random(0))).to_json(), trace(Odd).to_json()]
    return dict(zip(("space", "candidate", "odd"), map(json.loads, texts), strict=True))


DOCUMENTS = documents()
RECORDS: list[Any] = [
    *({"$node": "x"}, {"$node": []}, {"$tuple": 1}, {"$slice": [1]}, {"$slice": [1, 2, 3, 4]}, {"$dict": [[1]]}),
    *({"$at": 1}, {"$at": "x.y"}, {"$local": "q"}, {"$float": "?"}, {"unit": "torch.nn.Linear"}, {"unit": 3}),
    *({"shared": "z"}, {"choice": 1}, {"graph": "g"}, {"repeat": 3, "blocks": []}, {"pick": 1}, {"tensor": 1}),
]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_was_changed_is_refused_in_one_line_or_holds_together(name: str) -> None:
    @settings(max_examples=400)
    @given(seed=st.integers(0, 2**32))
    def law(seed: int) -> None:
        text, trust = json.dumps(spoiled(DOCUMENTS[name], Random(seed), RECORDS)), [__name__]
        try:
            space = GraphSpace.from_json(text, trust=trust)
            graph = space.freeze(space.search_space.random(Random(0)))
            compile(to_source(graph), name, "exec")
            graph.fingerprint()
        except RaynasError as error:
            assert str(error).isprintable() and len(str(error)) < 2000
        else:
            assert Graph.from_json(graph.to_json(), trust).to_json() == graph.to_json()

    law()


def test_a_method_of_a_number_is_written_as_python_reads_it() -> None:
    graph = Graph("Net")
    x = graph.add("input", "x", name="x")
    graph.add("output", "output", ((graph.add("method", "bit_length", (2,), name="two"), x),))
    assert "(2).bit_length()" in to_source(graph)


@pytest.mark.parametrize(
    ("op", "target", "args", "words"),
    [
        ("method", "size", [], "a method takes at least 1"),
        ("function", "operator.getitem", [{"$node": "x"}], "operator.getitem takes 2"),
        ("function", "builtins.getattr", [{"$node": "x"}], "an attribute that is not named"),
        ("output", "output", [], "an output takes 1"),
        ("input", "y", [{"$node": "x"}], "default is another node"),
        ("function", "torch.relu", [{"$at": "x.y"}], "not whole"),
    ],
)
def test_a_step_without_what_it_works_on_is_refused(op: str, target: str, args: list[Any], words: str) -> None:
    graph = Graph("Net")
    graph.add("output", "output", (graph.add("input", "x", name="x"),))
    document = json.loads(graph.to_json())
    document["graph"]["nodes"].insert(1, {"name": "step", "op": op, "target": target, "args": args})
    with pytest.raises(GraphError, match=words) as error:
        Graph.from_json(json.dumps(document))
    assert "step" in str(error.value) or "input" in str(error.value)
