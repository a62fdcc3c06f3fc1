"""Graphs as JSON: no pickle, and what is read may name only what `raynas.graph.allowed` lists, or the caller trusts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from raynas.errors import GraphError, SerializationError
from raynas.graph.allowed import is_allowed, is_mark, is_method
from raynas.graph.graph import Graph
from raynas.graph.member import (
    Apply,
    Choice,
    Copy,
    Let,
    Local,
    Make,
    Member,
    Path,
    Pick,
    Repeated,
    Set,
    Shared,
    Step,
    Tensor,
    Unit,
)
from raynas.graph.node import OPS, Node, When
from raynas.graph.verify import verify
from raynas.search_space.domain import exact
from raynas.serializer import Decoder, Encoder

SCHEMA = 1


def dumps(graph: Graph) -> str:
    """A graph as JSON text; the same graph gives the same text."""
    history = {"history": graph.history} if graph.history else {}
    return json.dumps({"schema": SCHEMA, "graph": _Writer().graph(graph), **history}, ensure_ascii=False)


def loads(text: str, trust: Sequence[str] = ()) -> Graph:
    """The graph in a JSON text; `GraphError` names the node or member that is wrong."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise GraphError(f"the document is not whole JSON ({error}): was it cut off?") from None
    if not isinstance(document, dict) or "graph" not in document:
        raise GraphError("the document holds no graph: was it written by Graph.to_json?")
    if document.get("schema") != SCHEMA:
        raise GraphError(f"the document has schema {document.get('schema')}, this version reads {SCHEMA}")
    try:
        graph = _Reader(trust).graph(document["graph"], "")
    except RecursionError:
        raise GraphError("the document is nested too deeply: raynas did not write it") from None
    graph.history = [_text(line) for line in document.get("history", [])]
    verify(graph)
    return graph


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


class _Reader:
    def __init__(self, trust: Sequence[str] = ()) -> None:
        self.trust = tuple(trust)
        self.decode = Decoder(trust=self.trust)

    def named(self, name: str, where: str) -> str:
        """A class's or function's qualified name, if it may be named."""
        if not is_allowed(name, self.trust):
            raise GraphError(
                f"{where} names '{name}', which is not allowed: pass trust=['{name.rpartition('.')[0] or name}'] "
                "if you know where the document comes from"
            )
        return name

    def called(self, name: str, where: str) -> str:
        """A function's name, or behind a dot a method's."""
        return self.method(name[1:], where) and name if name.startswith(".") else self.named(name, where)

    def method(self, name: str, where: str) -> str:
        if not is_method(name):
            raise GraphError(f"{where} uses '{name}' of a value, which no document may do")
        return name

    def graph(self, record: dict[str, Any], path: str) -> Graph:
        where = path or "the graph"
        try:
            name, base = _text(record["graph"]), self.named(_text(record["base"]), where)
            members = {_text(k): self.member(m, f"{path}.{k}".lstrip(".")) for k, m in record["members"].items()}
            shared = {_text(k): self.member(m, f"{path}.{k}".lstrip(".")) for k, m in record.get("shared", {}).items()}
            init = self.member(record["init"], path) if "init" in record else None
            setup = [self.step(item, where) for item in record.get("setup", [])]
            attributes = {_text(k): self.value(v, {}, where) for k, v in record.get("attributes", {}).items()}
            records = list(record["nodes"])
        except (KeyError, TypeError, AttributeError) as error:
            raise GraphError(f"{where} is not a whole graph ({error!r}): was the document cut off?") from None
        if init is not None and not isinstance(init, Unit):
            raise GraphError(f"{where} is initialised by something that is no constructor call")
        graph = Graph(name, members, [], base, shared, init, setup, attributes)
        known: dict[str, Node] = {}
        for position, item in enumerate(records):
            graph.nodes.append(self.node(item, known, f"node {position} of {where}"))
        return graph

    def step(self, record: dict[str, Any], where: str) -> Step:
        if "make" in record:
            return Make(_text(record["make"]))
        if "copy" in record:
            return Copy(_text(record["copy"]), _text(record["of"]))
        if "let" in record:
            value = self.value(record["value"], {}, where)
            if not isinstance(value, Unit):
                raise GraphError(f"{where} sets the variable {record['let']!r} to something that is no call")
            return Let(_text(record["let"]), value)
        if "set" in record:
            value = self.value(record["value"], {}, where)
            *owners, name = _text(record["set"]).split(".")
            for part in owners if is_mark(name, value) else (*owners, name):
                self.method(part, where)
            return Set(record["set"], value)
        args = tuple(self.value(arg, {}, where) for arg in record["args"])
        return Apply(
            self.called(_text(record["apply"]), where),
            args,
            {k: self.value(v, {}, where) for k, v in record["kwargs"].items()},
        )

    def node(self, record: Any, known: dict[str, Node], where: str) -> Node:
        try:
            name, op, target = _text(record["name"]), record["op"], _text(record["target"])
            args, kwargs = record.get("args", []), record.get("kwargs", {})
        except (KeyError, TypeError, AttributeError) as error:
            raise GraphError(f"{where} is not a whole node ({error!r}): was the document cut off?") from None
        where = f"{where} ('{name}')"
        if op not in OPS:
            raise GraphError(f"{where} has the operation {op!r}: it must be one of {', '.join(OPS)}")
        if op == "function":
            self.named(target, where)
        elif op in ("method", "attribute"):
            for part in target.split("."):
                self.method(part, where)
        if name in known:
            raise GraphError(f"{where} has the name of another node: names are unique in a graph")
        node = Node(
            name,
            op,
            target,
            tuple(self.value(arg, known, where) for arg in args),
            {_text(key): self.value(arg, known, where) for key, arg in kwargs.items()},
            self.when(record.get("when", []), where),
        )
        if target == "builtins.getattr":
            if len(node.args) < 2 or not isinstance(node.args[1], str):
                raise GraphError(f"{where} reads an attribute that is not named")
            self.method(node.args[1], where)
        known[name] = node
        return node

    def when(self, data: Any, where: str) -> When:
        if not isinstance(data, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in data):
            raise GraphError(f"{where} runs when {data!r}, which is no list of pairs: was the document changed?")
        for path, value in data:
            if not isinstance(value, bool):
                raise GraphError(f"{where} runs when '{path}' is {value!r}, which is neither true nor false")
        return tuple([(_text(path), value) for path, value in data])

    def value(self, data: Any, known: dict[str, Node], where: str) -> Any:
        if isinstance(data, list):
            return [self.value(item, known, where) for item in data]
        if isinstance(data, dict):
            if "$node" in data:
                if data["$node"] not in known:
                    raise GraphError(
                        f"{where} uses '{data['$node']}', which does not come before it: "
                        "the graph has a cycle or lacks a node"
                    )
                return known[data["$node"]]
            if "$at" in data:
                return Path(_text(data["$at"]))
            if "$local" in data:
                return Local(_text(data["$local"]))
            if "unit" in data:
                return self.member(data, where)
            if "$tuple" in data:
                return tuple(self.value(item, known, where) for item in data["$tuple"])
            if "$dict" in data:
                return {self.decode(key): self.value(item, known, where) for key, item in data["$dict"]}
            if "$slice" in data:
                return slice(*(self.value(item, known, where) for item in data["$slice"]))
        try:
            return self.decode(data)
        except (SerializationError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise GraphError(f"{where}: {error}") from None

    def member(self, record: Any, path: str) -> Member:
        if not isinstance(record, dict):
            raise GraphError(f"member '{path}' is not a record")
        if "graph" in record:
            return self.graph(record, path)
        try:
            if "unit" in record:
                args = tuple(self.value(arg, {}, f"member '{path}'") for arg in record.get("args", []))
                kwargs = {k: self.value(v, {}, f"member '{path}'") for k, v in record.get("kwargs", {}).items()}
                target = self.called(_text(record["unit"]), path if path.startswith("node") else f"member '{path}'")
                if target == "builtins.getattr":
                    self.method(_text(args[1]), f"member '{path}'")
                return Unit(target, args, kwargs, tuple(map(_text, record.get("changed", ()))))
            if "tensor" in record:
                value = self.value(record["tensor"], {}, f"member '{path}'")
                if not isinstance(value, Unit | Local) or record["kind"] not in ("parameter", "buffer", "attribute"):
                    raise GraphError(f"member '{path}' is a tensor without a creation call or of no known kind")
                return Tensor(value, record["kind"], record["requires_grad"], record["persistent"])
            if "shared" in record:
                return Shared(_text(record["shared"]))
            if "choice" in record:
                pick = self.decode(record["choice"])
                candidates = {self.decode(k): self.member(m, f"{path}[{exact(k)}]") for k, m in record["candidates"]}
                return Choice(pick, candidates)
            if "pick" in record:
                return Pick(self.decode(record["pick"]), _text(record["reduction"]))
            if "repeat" in record:
                blocks = tuple(self.member(m, f"{path}.{i}") for i, m in enumerate(record["blocks"]))
                return Repeated(self.decode(record["repeat"]), blocks)
        except (KeyError, TypeError, AttributeError, ValueError, IndexError, SerializationError) as error:
            raise GraphError(f"member '{path}' is not whole: {error}") from None
        raise GraphError(f"member '{path}' is of no kind that this version knows: {', '.join(record) or 'empty'}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
