"""Graphs as JSON text, without pickle; `raynas.graph.reader` reads it."""

from __future__ import annotations

import json
from typing import Any

from raynas.graph.graph import Graph
from raynas.graph.member import (
    Choice,
    Copy,
    Let,
    Local,
    Make,
    Member,
    Path,
    Pick,
    Set,
    Shared,
    Step,
    Tensor,
    Unit,
)
from raynas.graph.node import Node
from raynas.serializer import Encoder

SCHEMA = 1


def dumps(graph: Graph) -> str:
    """A graph as JSON text; the same graph gives the same text."""
    history = {"history": graph.history} if graph.history else {}
    return json.dumps({"schema": SCHEMA, "graph": _Writer().graph(graph), **history}, ensure_ascii=False)


class _Writer:
    """Names nodes and units in a form of their own; everything else is the serializer's."""

    def __init__(self) -> None:
        self.encode = Encoder()

    def graph(self, graph: Graph) -> dict[str, Any]:
        return {
            "graph": graph.name,
            "base": graph.base,
            "members": {name: self.member(member) for name, member in graph.members.items()},
            **({"shared": {name: self.member(m) for name, m in graph.shared.items()}} if graph.shared else {}),
            **({"init": self.member(graph.init)} if graph.init else {}),
            **({"setup": [self.step(step) for step in graph.setup]} if graph.setup else {}),
            **({"attributes": {k: self.value(v) for k, v in graph.attributes.items()}} if graph.attributes else {}),
            "nodes": [self.node(node) for node in graph.nodes],
        }

    def node(self, node: Node) -> dict[str, Any]:
        record: dict[str, Any] = {"name": node.name, "op": node.op, "target": node.target}
        if node.args:
            record["args"] = [self.value(arg) for arg in node.args]
        if node.kwargs:
            record["kwargs"] = {key: self.value(arg) for key, arg in node.kwargs.items()}
        if node.when:
            record["when"] = [[path, value] for path, value in node.when]
        return record

    def step(self, step: Step) -> dict[str, Any]:
        if isinstance(step, Make):
            return {"make": step.name}
        if isinstance(step, Copy):
            return {"copy": step.path, "of": step.source}
        if isinstance(step, Let):
            return {"let": step.name, "value": self.value(step.value)}
        if isinstance(step, Set):
            return {"set": step.path, "value": self.value(step.value)}
        return {
            "apply": step.target,
            "args": [self.value(arg) for arg in step.args],
            "kwargs": {key: self.value(arg) for key, arg in step.kwargs.items()},
        }

    def value(self, value: Any) -> Any:
        if isinstance(value, Node):
            return {"$node": value.name}
        if isinstance(value, Path):
            return {"$at": value.path}
        if isinstance(value, Local):
            return {"$local": value.name}
        if isinstance(value, Unit):
            return self.member(value)
        if type(value) is list:
            return [self.value(item) for item in value]
        if type(value) in (tuple,):
            return {"$tuple": [self.value(item) for item in value]}
        if type(value) is dict:
            return {"$dict": [[self.encode(key), self.value(item)] for key, item in value.items()]}
        if type(value) is slice:
            return {"$slice": [self.value(item) for item in (value.start, value.stop, value.step)]}
        return self.encode(value)

    def member(self, member: Member) -> dict[str, Any]:
        if isinstance(member, Graph):
            return self.graph(member)
        if isinstance(member, Unit):
            record: dict[str, Any] = {"unit": member.target}
            if member.args:
                record["args"] = [self.value(arg) for arg in member.args]
            if member.kwargs:
                record["kwargs"] = {key: self.value(arg) for key, arg in member.kwargs.items()}
            if member.changed:
                record["changed"] = list(member.changed)
            return record
        if isinstance(member, Tensor):
            return {
                "tensor": self.value(member.value),
                "kind": member.kind,
                "requires_grad": member.requires_grad,
                "persistent": member.persistent,
            }
        if isinstance(member, Shared):
            return {"shared": member.name}
        if isinstance(member, Choice):
            candidates = [[self.encode(key), self.member(item)] for key, item in member.candidates.items()]
            return {"choice": self.encode(member.pick), "candidates": candidates}
        if isinstance(member, Pick):
            return {"pick": self.encode(member.pick), "reduction": member.reduction}
        return {"repeat": self.encode(member.depth), "blocks": [self.member(block) for block in member.blocks]}
