"""Drafts: classes before it is known which of them become one, and how their literals are then called."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from raynas.errors import GraphError, RaynasError
from raynas.graph import Graph, Unit
from raynas.graph.graph import find
from raynas.graph.once import once
from raynas.graph.shell import of as outline
from raynas.pytorch.codegen.branching import forward_of
from raynas.pytorch.codegen.likeness import Kind, Kinds, steps_of
from raynas.pytorch.codegen.lines import Line
from raynas.pytorch.codegen.literals import Imports, literal
from raynas.pytorch.codegen.members import Members
from raynas.pytorch.codegen.paths import written
from raynas.pytorch.codegen.text import Slot, Text

Instance: TypeAlias = Callable[[Kind, tuple[str, ...]], Text]

OWN = frozenset((*dir(nn.Module), *vars(nn.Module())))
"""Names on `self` that every module has."""


@dataclass(eq=False)
class Draft:
    """A class that is not laid out yet.

    Attributes:
        name: what it would like to be called.
        base, init, parameters, forward: its base class, constructor and forward pass.
        borrowed: the shared members that its constructor takes.
        attributes: what it keeps, as far as that is literals.
        own: names on `self` that are taken.
        is_made: whether its constructor is written in any case.
        is_lasting: whether it is as it was made, so that it may come again as this very object.
    """

    name: str
    base: str
    init: Sequence[Line]
    parameters: Sequence[str]
    forward: Sequence[Line]
    borrowed: Sequence[str]
    attributes: Mapping[str, str]
    own: frozenset[str]
    is_made: bool
    is_lasting: bool = True

    @once
    def is_whole(self) -> bool:
        """Whether it has no holes."""
        return all(line.is_whole for line in (*self.init, *self.forward))

    @once
    def slots(self) -> list[Slot]:
        """Its literals, in order."""
        return [slot for line in (*self.init, *self.forward) for slot in line.slots]

    @once
    def form(self) -> tuple[Hashable, ...]:
        """What two drafts must have in common to become one class."""
        init, forward = (tuple([line.form for line in lines]) for lines in (self.init, self.forward))
        return self.name, self.base, tuple(self.parameters), tuple(self.borrowed), init, forward

    def with_holes_filled(self, of: Instance) -> Draft:
        """The draft with texts in its holes."""
        if self.is_whole:
            return self
        init, forward = ([line.with_holes_filled(of) for line in lines] for lines in (self.init, self.forward))
        rest = self.borrowed, self.attributes, self.own, self.is_made, False
        return Draft(self.name, self.base, init, self.parameters, forward, *rest)


def draft(graph: Graph, kinds: Kinds, imports: Imports, instance: Instance, is_lasting: bool = True) -> Draft:
    """The draft of a graph.

    Args:
        graph: an opened module.
        kinds: its kind, and those of the graphs below it.
        imports: collects what it needs.
        instance: writes the construction of a module that has a class of its own; see `Members`.
        is_lasting: whether it may come again.
    """
    base = imports.name(graph.base)
    members = Members(graph, imports, kinds, instance)
    init = list(map(Line, members.lines()))
    parameters, forward = _forward(graph, kinds, imports) if graph.nodes and not graph.is_sequential else ((), ())
    own = frozenset((*OWN, *graph.members, *graph.attributes))
    if graph.init is not None:  # a layer's: its attributes are called as arguments are
        own |= {slot.hint for line in forward for slot in line.slots}
    is_made = graph.init is not None or kinds.of(graph).inline
    attributes = _literals(graph, imports)
    rest = members.borrowed, attributes, own, is_made, is_lasting
    return Draft(graph.name, base, init, parameters, forward, *rest)


def _literals(graph: Graph, imports: Imports) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in graph.attributes.items():
        with suppress(GraphError):  # it is computed
            found[name] = literal(value, imports)
    return found


def _forward(graph: Graph, kinds: Kinds, imports: Imports) -> tuple[Sequence[str], Sequence[Line]]:
    """The parameters of `forward`, and its statements."""

    def make(own: Imports) -> tuple[Sequence[str], Sequence[Line]]:
        parameters, statements = forward_of(graph)(graph, own, lambda path: written(graph, path)).lines()
        return parameters, list(map(Line, statements))

    known = outline(graph)
    if known is not None:
        found: tuple[Sequence[str], Sequence[Line]] = imports.remember(known.written, None, make)
        return found
    try:
        steps = steps_of(graph)
    except RaynasError:  # a value in it has no text
        return make(imports)
    paths = [node.target for node in graph.nodes if node.op in ("module", "graph", "attribute")]
    paths += [path for node in graph.nodes if node.when or node.op == "select" for path in node.flags]
    there = tuple([(written(graph, path), _target(graph, path)) for path in paths])
    made: tuple[Sequence[str], Sequence[Line]] = imports.remember(kinds.memory.passes, (steps, there), make)
    return made


def _target(graph: Graph, path: str) -> str:
    """What is called at a path, where that is a unit."""
    member = graph.members.get(path)
    if member is None or type(member) is not Unit:
        try:
            member, _ = find(graph, path, graph.shared)
        except (GraphError, KeyError):
            return ""
    return member.target if isinstance(member, Unit) else ""
