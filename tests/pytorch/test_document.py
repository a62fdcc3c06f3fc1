"""Graphs as JSON: the same source and fingerprint back, and nothing that must not be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas import ModelSpace, ValueChoice
from raynas.errors import GraphError
from raynas.graph import Graph
from raynas.pytorch import to_source, trace
from tests.pytorch.vision.resnet import BasicBlock, ResNet


class Space(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, ValueChoice([4, 8], label="width"))
        self.b = nn.Linear(ValueChoice([4, 8], label="width"), 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x))) * x.size(0)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(trace(Space()).to_json())
    return found


def test_a_document_gives_the_same_source_and_fingerprint() -> None:
    graph = trace(lambda: ResNet(BasicBlock, [1, 1, 1, 1], 10, 4)).freeze()
    back = Graph.from_json(graph.to_json())
    assert to_source(back) == to_source(graph)
    assert back.fingerprint() == graph.fingerprint()
    assert back.to_json() == graph.to_json()


def test_a_space_comes_back_with_its_choices(document: dict[str, Any]) -> None:
    graph = Graph.from_json(json.dumps(document))
    assert graph.to_json() == trace(Space()).to_json()


def test_a_document_that_was_cut_off_is_refused(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for cut in range(0, len(text), 7):
        with pytest.raises(GraphError):
            Graph.from_json(text[:cut])


def spoiled(document: dict[str, Any], spoil: Callable[[dict[str, Any]], None]) -> str:
    changed = copy.deepcopy(document)
    spoil(changed["graph"])
    return json.dumps(changed)


def node(graph: dict[str, Any], op: str) -> dict[str, Any]:
    return next(item for item in graph["nodes"] if item["op"] == op)


def unknown_operation(graph: dict[str, Any]) -> None:
    node(graph, "function")["op"] = "call"


def cycle(graph: dict[str, Any]) -> None:
    node(graph, "function")["args"] = [{"$node": graph["nodes"][-1]["name"]}]


def itself(graph: dict[str, Any]) -> None:
    item = node(graph, "function")
    item["args"] = [{"$node": item["name"]}]


def two_of_a_name(graph: dict[str, Any]) -> None:
    node(graph, "function")["name"] = graph["nodes"][0]["name"]


def system_function(graph: dict[str, Any]) -> None:
    node(graph, "function")["target"] = "os.system"


def loads_a_file(graph: dict[str, Any]) -> None:
    node(graph, "function")["target"] = "torch.load"


def through_another_module(graph: dict[str, Any]) -> None:
    node(graph, "function")["target"] = "torch.nn.functional.importlib.import_module"


def builtin_eval(graph: dict[str, Any]) -> None:
    node(graph, "function")["target"] = "builtins.eval"


def foreign_class(graph: dict[str, Any]) -> None:
    graph["members"]["a"]["unit"] = "subprocess.Popen"


def foreign_base(graph: dict[str, Any]) -> None:
    graph["base"] = "subprocess.Popen"


def hidden_method(graph: dict[str, Any]) -> None:
    node(graph, "method")["target"] = "__reduce__"


def writes_a_file(graph: dict[str, Any]) -> None:
    node(graph, "method")["target"] = "tofile"


def hidden_attribute(graph: dict[str, Any]) -> None:
    item = node(graph, "function")
    item["target"], item["args"] = "builtins.getattr", [{"$node": graph["nodes"][0]["name"]}, "__class__"]


def code_in_a_name(graph: dict[str, Any]) -> None:
    node(graph, "method")["target"] = "size(); import os"


def code_in_a_keyword(graph: dict[str, Any]) -> None:
    graph["members"]["a"]["kwargs"] = {"bias=print()": True}


def missing_member(graph: dict[str, Any]) -> None:
    del graph["members"]["a"]


def no_output(graph: dict[str, Any]) -> None:
    graph["nodes"].pop()


def setup_calls_out(graph: dict[str, Any]) -> None:
    graph["setup"] = [{"apply": "os.remove", "args": ["x"], "kwargs": {}}]


SPOILERS = [
    (unknown_operation, "node"),
    (cycle, "node"),
    (itself, "node"),
    (two_of_a_name, "node"),
    (system_function, "os.system"),
    (loads_a_file, "torch.load"),
    (through_another_module, "importlib"),
    (builtin_eval, "eval"),
    (foreign_class, "subprocess.Popen"),
    (foreign_base, "subprocess.Popen"),
    (hidden_method, "node"),
    (writes_a_file, "node"),
    (hidden_attribute, "__class__"),
    (code_in_a_name, "node"),
    (code_in_a_keyword, "bias=print"),
    (missing_member, "'a'"),
    (no_output, "output"),
    (setup_calls_out, "os.remove"),
]


@pytest.mark.parametrize(("spoil", "named"), SPOILERS, ids=lambda item: getattr(item, "__name__", ""))
def test_a_document_that_says_something_else_is_refused_by_name(
    document: dict[str, Any], spoil: Callable[[dict[str, Any]], None], named: str
) -> None:
    with pytest.raises(GraphError, match=named.replace("'", ".")):
        Graph.from_json(spoiled(document, spoil))


def test_what_the_reader_trusts_is_read(document: dict[str, Any]) -> None:
    text = spoiled(document, foreign_class)
    with pytest.raises(GraphError, match="trust"):
        Graph.from_json(text)
    assert Graph.from_json(text, trust=["subprocess"]).members["a"].target == "subprocess.Popen"  # type: ignore[union-attr]  # a unit
