"""Likeness: which graphs are written alike, told without writing them.

A `Kind` stands for all graphs that are equal in everything that their text hangs on. It outlives the graphs, so that
what one candidate of a space has in common with those before it is not written again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import FunctionType
from typing import Any

from raynas.errors import RaynasError
from raynas.graph import Apply, Copy, Graph, Make, Member, Node, Set, Shared, Step, Tensor, Unit
from raynas.graph.parts import graphs_in
from raynas.graph.texts import PLAIN, marks, text_of
from raynas.pytorch.codegen.inline import is_inline
from raynas.pytorch.codegen.memory import memory
from raynas.pytorch.names import name_of


class Kind:
    """All graphs that are written alike.

    Attributes:
        alike: the same for those that may share a class although their named arguments stand in another order.
        inline: whether they are written as expressions.
        height: how many classes stand below.
        targets: qualified names of the classes and functions that their constructors call, in order, each once.
        mentioned: the shared members that they mention and do not hold, each once, in order.
        written: what was written of them, by the names that the text around imports.
    """

    __slots__ = ("alike", "height", "inline", "mentioned", "targets", "written")

    def __init__(
        self, alike: Any, inline: bool, height: int, targets: tuple[str, ...], mentioned: tuple[str, ...]
    ) -> None:
        self.alike = alike if alike is not None else self
        self.inline = inline
        self.height = height
        self.targets = targets
        self.mentioned = mentioned
        self.written: dict[Hashable, Any] = {}


UNKNOWN: tuple[Any, list[Kind], Any] = (None, [], None)


class Kinds:
    """The kinds of one model's graphs.

    Attributes:
        memory: where they are kept.
        classes: by height, those that become classes, each with a graph of its kind, in the order of the members.
    """

    def __init__(self) -> None:
        self.memory = memory()
        self._found: dict[int, Kind] = {}
        self.classes: dict[int, dict[Kind, Graph]] = {}

    def of(self, graph: Graph) -> Kind:
        """A graph's kind."""
        kind = self._found.get(id(graph))
        if kind is None:
            token, then, before = graph.notes.get("kind", UNKNOWN)
            seen = token is self.memory.token  # it had this kind before, if those below have theirs still
            below = [self.of(inner) for inner in graphs_in(graph)] if then or not seen else []
            kind = self._found[id(graph)] = before if seen and then == below else self._made(graph, below)
            if not kind.inline:
                self.classes.setdefault(kind.height, {}).setdefault(kind, graph)
        return kind

    def outermost(self, graph: Graph) -> Kind:
        """A kind for this graph alone, which becomes a class in any case."""
        kind = self._alone(graph, is_inline(graph))
        self.classes.setdefault(kind.height, {})[kind] = graph
        return kind

    def _alone(self, graph: Graph, inline: bool) -> Kind:
        """A kind for a graph that is written once, and so for the expressions in it."""
        below = [
            self._alone(inner, True) if id(inner) not in self._found and is_inline(inner) else self.of(inner)
            for inner in graphs_in(graph)
        ]
        kind = self._found[id(graph)] = self._new(graph, below, None, inline)
        return kind

    def _new(self, graph: Graph, below: list[Kind], alike: Any, inline: bool) -> Kind:
        height = max([kind.height if kind.inline else kind.height + 1 for kind in below], default=0)
        inside = {id(inner): kind for inner, kind in zip(graphs_in(graph), below, strict=True)}
        return Kind(alike, inline, height, _targets(graph, inside), _mentioned(graph, inside))

    def mentioned(self, member: Member) -> Sequence[str]:
        """The shared members that a member mentions and does not hold."""
        if type(member) is Graph:
            return self.of(member).mentioned
        return (member.name,) if type(member) is Shared else ()

    def _made(self, graph: Graph, below: list[Kind]) -> Kind:
        try:
            key, rest = self._key(graph)
        except RaynasError:  # it holds what has no text
            return self._new(graph, below, None, is_inline(graph))
        place = key, rest, *below
        kind: Kind | None = self.memory.kinds.get(place)
        if kind is None:
            alike = None if graph.setup or graph.shared else self.memory.alike.setdefault(key, object())
            kind = self._new(graph, below, alike, is_inline(graph))
            self.memory.kinds[place] = kind
        graph.notes["kind"] = self.memory.token, below, kind
        return kind

    def _key(self, graph: Graph) -> tuple[Hashable, Hashable]:
        """What graphs share only if they are alike; and what those that are of one kind share beside."""
        rest: list[Any] = []
        found: list[Hashable] = [graph.name, graph.base, len(graph.members), len(graph.shared), len(graph.setup)]
        for members in (graph.members, graph.shared):
            for name, member in members.items():
                found.append(name)
                if type(member) is Unit:
                    found.append(member.text)
                    rest += member.marks
                elif type(member) is Graph:
                    found.append(self.of(member).alike)
                elif type(member) is Tensor:
                    found.append((member.kind, member.requires_grad, member.persistent, text_of(member.value)))
                    rest += marks(member.value)
                else:
                    found.append(("shared", member.name) if type(member) is Shared else id(member))
                    rest += [member] if type(member) is not Shared else ()
        for name, value in graph.attributes.items():
            found += (name, text_of(value))
            rest += marks(value)
        if graph.init is not None:
            found.append((graph.init.text,))
            rest += graph.init.marks
        for step in graph.setup:
            found.append(_step(step, rest))
        steps, more = steps_of(graph)
        return (*found, steps), (*rest, more)


def steps_of(graph: Graph) -> tuple[Hashable, Hashable]:
    """What the forward pass hangs on: what is alike, and what is the same."""
    rest: list[Any] = []
    places: dict[Node, int] = {}
    found: list[Hashable] = []
    for node in graph.nodes:
        args = tuple([places[arg] if type(arg) is Node else _value(arg, places, rest) for arg in node.args])
        if node.kwargs or node.when:
            found.append((node.op, node.target, args, _value(node.kwargs, places, rest), node.when))
        else:
            found.append((node.op, node.target, args))
        places[node] = len(places)
    return tuple(found), tuple(rest)


def _value(value: Any, places: Mapping[Node, int], rest: list[Any]) -> Hashable:
    kind = type(value)
    if kind is Node:
        return places[value]
    if kind in PLAIN:
        return repr(value)
    if isinstance(value, tuple | list):
        return kind, *[places[item] if type(item) is Node else _value(item, places, rest) for item in value]
    if isinstance(value, dict):
        return kind, *[(_value(key, places, rest), _value(item, places, rest)) for key, item in value.items()]
    if kind is slice:
        return kind, *[_value(item, places, rest) for item in (value.start, value.stop, value.step)]
    rest += marks(value)
    return text_of(value)


def _step(step: Step, rest: list[Any]) -> Hashable:
    if isinstance(step, Make):
        return ("make", step.name)
    if isinstance(step, Copy):
        return "copy", step.path, step.source
    if isinstance(step, Apply):
        values = step.args, dict(step.kwargs)
        rest += marks(values)
        return "apply", step.target, text_of(values[0]), text_of(values[1])
    rest += marks(step.value)
    return ("set", step.path, text_of(step.value)) if isinstance(step, Set) else ("let", step.name, text_of(step.value))


def _mentioned(graph: Graph, inside: Mapping[int, Kind]) -> tuple[str, ...]:
    """The shared members that a graph mentions and does not hold; `inside` are the kinds of graphs in it, by id."""
    found: dict[str, None] = {}
    for members in (graph.members, graph.shared):
        for member in members.values():
            if type(member) is Graph:
                found.update(dict.fromkeys(inside[id(member)].mentioned))
            elif type(member) is Shared:
                found[member.name] = None
    return tuple([name for name in found if name not in graph.shared])


def _targets(graph: Graph, inside: Mapping[int, Kind]) -> tuple[str, ...]:
    """The names of what is called in the constructors of a graph and of all below it."""
    found: dict[str, None] = {}
    done: set[Kind] = set()

    def visit(value: Any) -> None:
        if type(value) is Graph:
            kind = inside[id(value)]
            if kind not in done:
                done.add(kind)
                found.update(dict.fromkeys(kind.targets))
        elif isinstance(value, Unit):
            if not value.target.startswith((".", "operator.", "builtins.")):
                found[value.target] = None
            if not PLAIN.issuperset(map(type, value.args)):
                visit(value.args)
            if not PLAIN.issuperset(map(type, value.kwargs.values())):
                visit(dict(value.kwargs))
        elif isinstance(value, tuple | list):
            for item in value:
                visit(item)
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, Tensor | Set):
            visit(value.value)
        elif isinstance(value, Apply):
            visit(Unit(value.target, value.args, value.kwargs))
        elif isinstance(value, type | FunctionType):  # its name is taken before any class is named
            found[name_of(value)] = None

    if graph.init is not None or graph.setup or graph.shared:
        visit((graph.init, graph.setup, graph.shared))
    visit(graph.members)
    return tuple(found)
