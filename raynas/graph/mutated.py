"""MutatedSpace: all that mutators make of a graph with choices."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from raynas.errors import GraphError, RaynasError
from raynas.graph.collect import Found, collect
from raynas.graph.exploring import Run, explore
from raynas.graph.freeze import freeze
from raynas.graph.graph import Graph
from raynas.graph.mutator import Mutator, Picks
from raynas.graph.parts import watch
from raynas.graph.rewriting import Workshop, rewritten
from raynas.graph.simplify import simplify
from raynas.graph.space import Build, GraphSpace, names_in
from raynas.search_space import SearchSpace, Value
from raynas.search_space.domain import exact
from raynas.serializer import Decoder, Encoder, call_of, qualified_name

REMEMBERED = 64
"""So many rewritten graphs are kept, for picks that come again."""


class MutatedSpace(GraphSpace):
    """A graph space on which mutators work before its own choices are made.

    Args:
        graph: the model as it is without them; never changed.
        mutators: in the order in which they work.
        build, workshop: as in `GraphSpace`.
        known: the choices, where they have been found out before.
    """

    def __init__(
        self,
        graph: Graph,
        mutators: Sequence[Mutator],
        build: Build | None = None,
        workshop: Workshop | None = None,
        known: SearchSpace | None = None,
    ) -> None:
        super().__init__(graph, build, workshop)
        for mutator in mutators:
            if not isinstance(mutator, Mutator):
                raise GraphError(
                    f"{mutator!r} is no mutator: give instances of classes that derive from raynas.Mutator"
                )
        self.mutators = tuple(mutators)
        self._known = known
        self._names: set[str] = set()
        self._made: OrderedDict[str, Graph] = OrderedDict()

    @cached_property
    def search_space(self) -> SearchSpace:
        """The mutators' choices, the graph's, and those in what the mutators put in."""
        return self._known or self._explored()

    def freeze(self, sample: Mapping[str, Value] | None = None) -> Graph:
        """The graph that `sample` stands for; its `history` tells what the mutators did."""
        chosen = self.search_space.default() if sample is None else sample
        values = self.search_space.validate(chosen)
        variant = self._variant(values)
        frozen = freeze(variant, values)
        frozen.history = list(variant.history)
        watch(frozen)
        return frozen

    def candidate(self, sample: Mapping[str, Value]) -> Graph:
        """As in `GraphSpace`; what mutators have had in hands is looked at for changes."""
        return simplify(self.freeze(sample))

    def mutated(self, mutators: Sequence[Mutator]) -> GraphSpace:
        """This space with further mutators behind its own."""
        return MutatedSpace(self.graph, (*self.mutators, *mutators), self._build, self._workshop)

    def units(self) -> list[str]:
        """Qualified names of all that its graphs name, and of the mutators."""
        if not self._names:
            self._explored()
        return sorted({*super().units(), *self._names, *(qualified_name(type(item)) for item in self.mutators)})

    def to_json(self) -> str:
        """The base graph, the mutators' constructor calls, and the choices."""
        document = json.loads(self.graph.to_json())
        document["mutators"] = [_written(mutator) for mutator in self.mutators]
        document["choices"] = self.search_space.to_json()
        return json.dumps(document, ensure_ascii=False)

    def _explored(self) -> SearchSpace:
        names = " and ".join(f"mutator {mutator.name}" for mutator in self.mutators)
        return explore(self._run, names)

    def _run(self, answers: Mapping[str, Value]) -> Run:
        picks = Picks(answers, strict=False)
        graph = rewritten(self.graph, self.mutators, picks, self._workshop)
        self._names.update(name for part in graph.subgraphs() for name in names_in(part))
        found = Found()
        space = collect(graph)
        for domain in (*picks.asked.values(), *space):
            found.note(domain, ())  # refuses one label for two choices
        return Run(picks.asked, space)

    def _variant(self, sample: Mapping[str, Value]) -> Graph:
        """The graph that the mutators make under a sample, the graph's own choices still to be made."""
        key = exact({label: sample[label] for label in sample})
        if key not in self._made:
            picks = Picks(sample, strict=True)
            graph = rewritten(self.graph, self.mutators, picks, self._workshop)
            self._made[key] = graph
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        return self._made[key]


def read(
    document: Mapping[str, Any],
    graph: Graph,
    build: Build | None,
    trust: Sequence[str],
    workshop: Workshop | None,
) -> MutatedSpace:
    """The space in a document that names mutators."""
    decode = Decoder(None, trust)
    mutators = []
    for data in document["mutators"]:
        try:
            mutators.append(decode(data))
        except RaynasError:
            raise
        except Exception as error:
            raise GraphError(f"mutator {data.get('$call')} cannot be made again ({error})") from error
    return MutatedSpace(graph, mutators, build, workshop, SearchSpace.from_json(document["choices"]))


def _written(mutator: Mutator) -> Any:
    try:
        qualified_name(type(mutator))
        return Encoder(by_value=())(call_of(mutator), mutator.name)
    except RaynasError as error:
        raise GraphError(f"mutator {mutator.name} cannot be written down: {error}") from error
