"""Walk: a frozen graph run on shapes, node by node."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from raynas.graph import Graph, Node, Tensor, Unit
from raynas.graph.member import Local, Path
from raynas.pytorch.names import resolve
from raynas.pytorch.profiling.abstract import Spec, Unclear, bytes_in
from raynas.pytorch.profiling.measure import Measured, Meter
from raynas.pytorch.profiling.places import RESHAPING, Place, places_of, set_up
from raynas.pytorch.profiling.report import Layer, described

READING = ("getitem", "cat", "stack", "len", "sum", "min", "max")
"""Functions that leave a list which they are given as it was."""


@dataclass
class _Row:
    """What is known of a layer while the walk goes on."""

    path: str
    type: str
    output: Any = None
    flops: int = 0
    bytes: int = 0
    sizes: tuple[int, ...] = ()


class Walk:
    """Runs a frozen graph once.

    Args:
        root: the graph; `Unclear` where shapes alone do not say what it does, `GraphError` where a choice is not made.
        training: whether the steps of opened modules run that do while they train; units are in eval mode either way.
    """

    def __init__(self, root: Graph, training: bool = False) -> None:
        self.root = root
        self.training = training
        self.place = places_of(root)
        set_up(self.place)
        self.called: dict[Place, _Row] = {}
        self.functions: list[_Row] = []
        self.meter = Meter()

    def run(self, inputs: tuple[Any, ...]) -> Any:
        """What the model returns for these inputs, tensors as specs."""
        with self.meter:
            output = self._call(self.place, inputs, {})
            for place in self.place.all():
                self._count(place)
        return output

    def rows(self) -> list[Layer]:
        """Layers in the order of their calls; then functions with FLOPs, and what is never called."""
        made = [*self.called.values(), *self.functions]
        return [
            Layer(row.path, row.type, described(row.output), sum(row.sizes), row.flops, row.bytes)
            for row in made
            if row.output is not None or row.sizes or row.flops
        ]

    def _call(self, place: Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        unit = place.unit
        if unit is not None:
            measured = self.meter.unit(unit, place.changes, args, kwargs)
            row = self._row(place, unit.target)
            row.output = measured.output
            row.flops += measured.flops
            row.bytes += bytes_in(measured.output)
            row.sizes = self._sizes(place, measured)
            return measured.output
        if not isinstance(place.member, Graph):
            raise Unclear(f"'{place.path}' is called and is no module")
        return self._forward(place, place.member, args, kwargs)

    def _forward(self, place: Place, graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        values: dict[Node, Any] = _bound(graph, args, kwargs)

        def value(item: Any) -> Any:
            kind = type(item)
            if kind is Node:
                return values[item]
            if kind is tuple:
                return tuple(map(value, item))
            if kind is list:
                return list(map(value, item))
            if kind is dict:
                return {key: value(part) for key, part in item.items()}
            if kind is slice:
                return slice(value(item.start), value(item.stop), value(item.step))
            return item

        for node in graph.nodes:
            op = node.op
            if op == "input":
                continue
            if op == "output":
                return value(node.args[0])
            if node.when and any(value is not self.training for _, value in node.when):
                continue
            if op == "select":
                values[node] = value(node.args[0 if self.training else 1])
                continue
            if op == "attribute":
                values[node] = self._attribute(place, node.target)
                continue
            given = tuple(map(value, node.args))
            named = {key: value(arg) for key, arg in node.kwargs.items()} if node.kwargs else {}
            if op in ("module", "graph"):
                called, rest = place.at(node.target)
                if rest:
                    raise Unclear(f"'{node.target}' is not there")
                values[node] = self._call(called, given, named)
            else:
                values[node] = self._function(place, node, given, named)
        raise Unclear(f"{graph.name} has no output")

    def _function(self, place: Place, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = node.target.rpartition(".")[2]
        first = args[0] if args else None
        if name in RESHAPING or (isinstance(first, list | dict | set) and name not in READING):
            raise Unclear(f"{node.target} may change what others hold")
        if node.op == "method":
            measured = self.meter.function(".", _method(node.target), args, kwargs)
        else:
            measured = self.meter.function("", resolve(node.target), args, kwargs)
        if measured.flops:
            path = f"{place.path}.{node.name}" if place.path else node.name
            output = measured.output
            self.functions.append(_Row(path, node.target, output, measured.flops))
        return measured.output

    def _attribute(self, place: Place, path: str) -> Any:
        if path == "training" or path.endswith(".training"):
            return self.training
        found, rest = place.at(path)
        if found.value is not None and not rest:
            return self.meter.value(found.value)
        if rest in found.plain and not isinstance(found.plain[rest], Unit | Path | Local):
            return found.plain[rest]
        if found.unit is None or not rest:
            raise Unclear(f"'{path}' is read")
        return self.meter.attribute(found.unit, found.changes, rest)

    def _row(self, place: Place, target: str) -> _Row:
        return self.called.setdefault(place, _Row(place.path, target.rpartition(".")[2]))

    def _count(self, place: Place) -> None:
        """The parameters of what is never called."""
        if isinstance(place.member, Tensor):
            if place.member.kind == "parameter":
                if place.value is None:
                    raise Unclear(f"'{place.path}' has no value")
                spec = self.meter.value(place.value)
                self._row(place, "Parameter").sizes = (math.prod(spec.shape),)
        elif place.unit is not None and place not in self.called:
            measured = Measured(None, 0, self.meter.parameters(place.unit, place.changes))
            self._row(place, place.unit.target).sizes = self._sizes(place, measured)

    def _sizes(self, place: Place, measured: Measured) -> tuple[int, ...]:
        """The sizes of a unit's parameters, without those that are another's."""
        for name, (source, path) in place.tied.items():
            spec = source.unit and self.meter.attribute(source.unit, source.changes, path)
            if not isinstance(spec, Spec) or measured.parameters.get(name) != spec.shape:
                raise Unclear(f"'{place.path}.{name}' is tied to something of another shape")
        return tuple(math.prod(shape) for name, shape in measured.parameters.items() if name not in place.tied)


def _bound(graph: Graph, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Node, Any]:
    """The values of a graph's inputs."""
    values: dict[Node, Any] = {}
    left, named = list(args), dict(kwargs)
    for node in graph.inputs:
        name = node.target.lstrip("*")
        if node.target.startswith("**"):
            values[node], named = named, {}
        elif node.target.startswith("*"):
            values[node], left = tuple(left), []
        elif left:
            values[node] = left.pop(0)
        elif name in named:
            values[node] = named.pop(name)
        elif node.args:
            values[node] = node.args[0]
        else:
            raise Unclear(f"{graph.name} is called without '{name}'")
    if left or named:
        raise Unclear(f"{graph.name} is called with too many arguments")
    return values


@lru_cache(maxsize=1024)
def _method(name: str) -> Callable[..., Any]:
    def call(receiver: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(receiver, name)(*args, **kwargs)

    return call
