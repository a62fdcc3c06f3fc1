"""GraphSpace: a graph with choices in it, and what becomes of it once they are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from raynas.errors import GraphError
from raynas.graph.candidate import candidate
from raynas.graph.collect import collect
from raynas.graph.freeze import freeze
from raynas.graph.graph import Graph
from raynas.graph.member import Apply, Choice, Let, Repeated, Set, Tensor, Unit
from raynas.graph.parts import settle, watch
from raynas.search_space import Expression, Leaf, SearchSpace, Value

if TYPE_CHECKING:
    from torch import nn

    from raynas.graph.mutator import Mutator
    from raynas.graph.rewriting import Workshop

Build: TypeAlias = "Callable[[Graph], nn.Module]"


class GraphSpace:
    """All the graphs that one model with choices stands for.

    Args:
        graph: the model, its choices unmade.
        build: makes a module of a frozen graph; `raynas.trace` hands it over.
        workshop: what mutators need of torch; `raynas.trace` hands it over.
    """

    def __init__(self, graph: Graph, build: Build | None = None, workshop: Workshop | None = None) -> None:
        self.graph = graph
        self._build = build
        self._workshop = workshop

    def __repr__(self) -> str:
        return f"GraphSpace({self.graph.name!r}, {self.search_space!r})"

    @cached_property
    def search_space(self) -> SearchSpace:
        """The choices as strategies see them."""
        return collect(self.graph)

    def freeze(self, sample: Mapping[str, Value] | None = None) -> Graph:
        """The graph that `sample` stands for; without a sample, the default one.

        Raises:
            SampleError: a label is missing, unknown or out of its domain.
        """
        settle(self.graph)
        chosen = self.search_space.default() if sample is None else sample
        frozen = freeze(self.graph, self.search_space.validate(chosen))
        watch(frozen)
        return frozen

    def candidate(self, sample: Mapping[str, Value]) -> Graph:
        """What a search makes of `sample`: the simplified graph, to be fingerprinted and written down, never changed.

        It is not looked at for changes, as what `freeze` and `simplify` hand out is: nobody else may hold this space.
        """
        return candidate(self.graph, self.search_space.validate(sample))

    def build(self, sample: Mapping[str, Value] | None = None) -> nn.Module:
        """The module that `sample` stands for, with fresh weights."""
        if self._build is None:
            raise GraphError("this space was read from a document and cannot build: use load_module(to_source(graph))")
        return self._build(self.freeze(sample))

    def units(self) -> list[str]:
        """Qualified names of all classes and functions that its graphs name, sorted."""
        return sorted({name for graph in self.graph.subgraphs() for name in names_in(graph)})

    def mutated(self, mutators: Sequence[Mutator]) -> GraphSpace:
        """This space with mutators, which work on a copy of the graph in their order; this one stays as it is."""
        from raynas.graph.mutated import MutatedSpace

        return MutatedSpace(self.graph, mutators, self._build, self._workshop)

    def to_json(self) -> str:
        return self.graph.to_json()

    @classmethod
    def from_json(
        cls,
        text: str,
        build: Build | None = None,
        trust: Sequence[str] = (),
        workshop: Workshop | None = None,
    ) -> GraphSpace:
        """The space that `to_json` wrote; its mutators, where it has some, are made anew.

        Args:
            text: the document.
            build, workshop: see above.
            trust: as in `Graph.from_json`; and the modules of mutators that this process has not made before.
        """
        graph = Graph.from_json(text, trust)
        document = json.loads(text)
        if "mutators" not in document:
            return GraphSpace(graph, build, workshop)
        from raynas.graph.mutated import read

        return read(document, graph, build, trust, workshop)


def names_in(graph: Graph) -> set[str]:
    """Qualified names of the classes and functions that stand directly in a graph."""
    found = {node.target for node in graph.nodes if node.op == "function"}

    def visit(value: Any) -> None:
        if isinstance(value, Unit):
            if not value.target.startswith("."):
                found.add(value.target)
            visit((value.args, dict(value.kwargs)))
        elif isinstance(value, Tensor):
            visit(value.value)
        elif isinstance(value, Choice):
            for item in value.candidates.values():
                visit(item)
        elif isinstance(value, Repeated):
            visit(value.blocks)
        elif isinstance(value, Leaf):
            visit(value.candidates)
        elif isinstance(value, Expression):
            visit(value.args)
        elif isinstance(value, tuple | list):
            for item in value:
                visit(item)
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            found.add(f"{value.__module__}.{value.__qualname__}")

    for member in [*graph.members.values(), *graph.shared.values(), graph.init]:
        visit(member)
    for step in graph.setup:
        if isinstance(step, Apply):
            visit(Unit(step.target, step.args, step.kwargs))
        elif isinstance(step, Set | Let):
            visit(step.value)
    for node in graph.nodes:
        visit((node.args, node.kwargs))
    return found
