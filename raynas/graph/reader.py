"""What reads a graph's JSON text: it names only what `raynas.graph.allowed` lists, or the caller trusts."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raynas.errors import GraphError, SerializationError
from raynas.graph.allowed import is_allowed, is_mark, is_method
from raynas.graph.document import SCHEMA
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
from raynas.search_space import Expression
from raynas.search_space.domain import exact
from raynas.serializer import Decoder


def loads(text: str, trust: Sequence[str] = ()) -> Graph:
    """The graph in a JSON text; `GraphError` names the node or member that is wrong."""
    if not isinstance(text, str | bytes):
        raise GraphError(f"a {type(text).__name__} is no JSON text: give what Graph.to_json returned")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise GraphError(f"the document is not whole JSON ({error}): was it cut off?") from None
    if not isinstance(document, dict) or "graph" not in document:
        raise GraphError("the document holds no graph: was it written by Graph.to_json?")
    if document.get("schema") != SCHEMA:
        raise GraphError(f"the document has schema {_shown(document.get('schema'))}, this version reads {SCHEMA}")
    try:
        graph = Reader(trust).graph(document["graph"], "")
    except RecursionError:
        raise GraphError("the document is nested too deeply: raynas did not write it") from None
    with _whole("the document's history"):
        graph.history = [_said(line) for line in document.get("history", [])]
    verify(graph)
    return graph


class Reader:
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
        with _whole(where):
            name, base = _text(record["graph"]), self.named(_text(record["base"]), where)
            members = {_text(k): self.member(m, f"{path}.{k}".lstrip(".")) for k, m in record["members"].items()}
            shared = {_text(k): self.member(m, f"{path}.{k}".lstrip(".")) for k, m in record.get("shared", {}).items()}
            init = self.member(record["init"], path) if "init" in record else None
            setup = [self.step(item, where) for item in record.get("setup", [])]
            attributes = {_text(k): self.value(v, None, where) for k, v in record.get("attributes", {}).items()}
            records = list(record["nodes"])
        if init is not None and not isinstance(init, Unit):
            raise GraphError(f"{where} is initialised by something that is no constructor call")
        graph = Graph(name, members, [], base, shared, init, setup, attributes)
        known: dict[str, Node] = {}
        for position, item in enumerate(records):
            at = f"node {position} of {where}"
            with _whole(at):
                at += f" ('{_text(item['name'])}')"
            with _whole(at):
                graph.nodes.append(self.node(item, known, at))
        return graph

    def step(self, record: dict[str, Any], where: str) -> Step:
        if "make" in record:
            return Make(_text(record["make"]))
        if "copy" in record:
            return Copy(_text(record["copy"]), _text(record["of"]))
        if "let" in record:
            value = self.value(record["value"], None, where)
            if not isinstance(value, Unit):
                raise GraphError(f"{where} sets the variable {_shown(record['let'])} to something that is no call")
            return Let(_text(record["let"]), value)
        if "set" in record:
            value = self.value(record["value"], None, where)
            *owners, name = _text(record["set"]).split(".")
            for part in owners if is_mark(name, value) else (*owners, name):
                self.method(part, where)
            return Set(record["set"], value)
        args = tuple(self.value(arg, None, where) for arg in record["args"])
        return Apply(
            self.called(_text(record["apply"]), where),
            args,
            {k: self.value(v, None, where) for k, v in record["kwargs"].items()},
        )

    def node(self, record: dict[str, Any], known: dict[str, Node], where: str) -> Node:
        name, op, target = _text(record["name"]), record["op"], _text(record["target"])
        args, kwargs = record.get("args", []), record.get("kwargs", {})
        if op not in OPS:
            raise GraphError(f"{where} has the operation {_shown(op)}: it must be one of {', '.join(OPS)}")
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
            raise GraphError(f"{where} runs when {_shown(data)}, which is no list of pairs: was the document changed?")
        for path, value in data:
            if not isinstance(value, bool):
                raise GraphError(
                    f"{where} runs when {_shown(path)} is {_shown(value)}, which is neither true nor false"
                )
        return tuple([(_text(path), value) for path, value in data])

    def value(self, data: Any, known: dict[str, Node] | None, where: str) -> Any:
        """What a node's argument is, where there are nodes; else a value of the constructor."""
        if isinstance(data, list):
            return [self.value(item, known, where) for item in data]
        if isinstance(data, dict):
            if "$node" in data and known is not None:
                if data["$node"] not in known:
                    raise GraphError(
                        f"{where} uses {_shown(data['$node'])}, which does not come before it: "
                        "the graph has a cycle or lacks a node"
                    )
                return known[data["$node"]]
            if "$at" in data and known is None:
                return Path(_text(data["$at"]))
            if "$local" in data and known is None:
                return Local(_text(data["$local"]))
            if "unit" in data and known is None:
                return self.member(data, where)
            if "$tuple" in data:
                return tuple(self.value(item, known, where) for item in data["$tuple"])
            if "$dict" in data:
                return {self.decode(key): self.value(item, known, where) for key, item in data["$dict"]}
            if "$slice" in data:
                return slice(*(self.value(item, known, where) for item in data["$slice"]))
        return self.decode(data)

    def member(self, record: Any, path: str) -> Member:
        if not isinstance(record, dict):
            raise GraphError(f"member '{path}' is not a record")
        if "graph" in record:
            return self.graph(record, path)
        where = f"member '{path}'"
        with _whole(where):
            if "unit" in record:
                args = tuple(self.value(arg, None, where) for arg in record.get("args", []))
                kwargs = {_text(k): self.value(v, None, where) for k, v in record.get("kwargs", {}).items()}
                target = self.called(_text(record["unit"]), path if path.startswith("node") else where)
                if target == "builtins.getattr":
                    self.method(_text(args[1]), where)
                return Unit(target, args, kwargs, tuple(map(_text, record.get("changed", ()))))
            if "tensor" in record:
                value, kind = self.value(record["tensor"], None, where), record["kind"]
                if not isinstance(value, Unit | Local) or kind not in ("parameter", "buffer", "attribute"):
                    raise GraphError(f"{where} is a tensor without a creation call or of no known kind")
                return Tensor(value, kind, _flag(record["requires_grad"]), _flag(record["persistent"]))
            if "shared" in record:
                return Shared(_text(record["shared"]))
            if "choice" in record:
                candidates = {self.decode(k): self.member(m, f"{path}[{exact(k)}]") for k, m in record["candidates"]}
                return Choice(self.choice(record["choice"]), candidates)
            if "pick" in record:
                return Pick(self.choice(record["pick"]), _text(record["reduction"]))
            if "repeat" in record:
                blocks = tuple(self.member(m, f"{path}.{i}") for i, m in enumerate(record["blocks"]))
                return Repeated(self.choice(record["repeat"]), blocks)
        raise GraphError(f"{where} is of no kind that this version knows: {', '.join(map(repr, record)) or 'empty'}")

    def choice(self, data: Any) -> Expression:
        value = self.decode(data)
        if not isinstance(value, Expression):
            raise TypeError(f"{_shown(value)} is no choice")
        return value


@contextmanager
def _whole(what: str) -> Iterator[None]:
    """Name what is not as `dumps` writes it, whatever that made fail."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, SerializationError) as error:
        reason = textwrap.shorten(str(error) if isinstance(error, SerializationError) else repr(error), 160)
        raise GraphError(f"{what} is not whole ({reason}): was the document cut off or changed?") from None


def _said(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{_shown(value)} is not a text")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError(f"{_shown(value)} is not a text of one line")
    return value


def _shown(value: Any) -> str:
    """What stands in a document, as far as it has room in a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]} …"


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{_shown(value)} is neither true nor false")
    return value
