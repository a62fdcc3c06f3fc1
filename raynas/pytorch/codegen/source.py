"""to_source: classes for the graphs, equal ones shared, in an order in which each comes before its users."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from raynas.graph import Apply, Graph, Member, Set, Tensor, Unit
from raynas.graph.graph import children
from raynas.graph.texts import PLAIN
from raynas.pytorch.codegen.branching import forward_of
from raynas.pytorch.codegen.inline import is_inline
from raynas.pytorch.codegen.likeness import likeness
from raynas.pytorch.codegen.literals import Imports, literal
from raynas.pytorch.codegen.members import Members
from raynas.pytorch.codegen.paths import written
from raynas.pytorch.codegen.text import WIDTH, Block, Listed, Slot, Text, call, flat, laid_out, slots


def to_source(graph: Graph) -> str:
    """PyTorch source of a frozen graph; its class is `Model`.

    The same graph gives the same text. Subgraphs that are equal but for literals share one class, which takes the
    literals as constructor parameters.

    Raises:
        GraphError: a choice is not made, or a value has no literal form.
    """
    return _Writer(graph).text()


VARIABLE = re.compile(r"^ *(?:for )?(\w+)(?: =| in) ", re.MULTILINE)


@dataclass
class _Draft:
    """A class that is not laid out yet.

    Attributes:
        graph: the first module of which it is the class.
        graphs: all of them.
        base, init, parameters, forward: its base class, constructor and forward pass.
        borrowed: the shared members that its constructor takes.
    """

    graph: Graph
    base: str
    init: list[Text]
    parameters: list[str]
    forward: list[Text]
    borrowed: list[str]
    graphs: list[Graph] = field(default_factory=list)

    def slots(self) -> list[Slot]:
        found: list[Slot] = []
        for text in (*self.init, *self.forward):
            slots(text, found)
        return found

    def variables(self) -> set[str]:
        """The variables that the constructor assigns."""
        return {name for text in self.init for name in VARIABLE.findall(flat(text, lambda slot: "_"))}

    def form(self) -> tuple[Any, ...]:
        """What two drafts must have in common to become one class."""

        def open_(text: Text) -> str:
            return flat(text, lambda slot: "\0")

        lines = tuple(map(open_, self.init)), tuple(map(open_, self.forward))
        return self.graph.name, self.base, tuple(self.parameters), tuple(self.borrowed), lines


@dataclass
class _Class:
    name: str
    draft: _Draft
    fill: dict[int, str]
    parameters: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


class _Writer:
    def __init__(self, root: Graph) -> None:
        self.root = root
        self.imports = Imports()
        self.classes: list[_Class] = []
        self.drafts: dict[int, _Draft] = {}
        self.instances: dict[int, tuple[_Class, list[Slot]]] = {}
        self.names: set[str] = set()

    def text(self) -> str:
        for unit in _units(self.root):
            self.imports.name(unit.target)
        heights: dict[int, list[Graph]] = {}
        top = _height(self.root, heights)
        if is_inline(self.root):
            heights[top] = [self.root]
        for height in sorted(heights):
            self._resolve(heights[height])
        body = "\n\n\n".join(self._written(item) for item in self.classes)
        return "\n".join(self.imports.lines()) + f"\n\n\n{body}\n"

    def _resolve(self, graphs: list[Graph]) -> None:
        """Make classes of graphs that hang on nothing but classes made before."""
        groups: dict[tuple[Any, ...], list[_Draft]] = {}
        known: dict[Hashable, _Draft] = {}
        for graph in graphs:
            alike = likeness(graph, lambda below: id(self.drafts[id(below)])) if graph is not self.root else None
            draft = known.get(alike) if alike is not None else None
            if draft is None:
                draft = self._draft(graph)
                groups.setdefault(draft.form() if graph is not self.root else (id(graph),), []).append(draft)
                if alike is not None:
                    known[alike] = draft
            draft.graphs.append(graph)
            self.drafts[id(graph)] = draft
        for drafts in groups.values():
            made = self._class(drafts)
            self.classes.append(made)

    def _class(self, drafts: list[_Draft]) -> _Class:
        first = drafts[0]
        made = _Class(self._class_name(first.graph), first, {})
        columns = list(zip(*(draft.slots() for draft in drafts), strict=True))
        known: dict[tuple[str, ...], str] = {}
        arguments: list[tuple[str, list[Slot]]] = []
        taken = {*first.borrowed, *self.imports.taken()} | (first.variables() if len(drafts) > 1 else set())
        for position, column in enumerate(columns):
            values = tuple(slot.text for slot in column)
            if len(set(values)) == 1:
                made.fill[position] = values[0]
                continue
            run = any(slot.run for slot in column)
            if run and values not in known:
                kept = _kept_already(first.graph, values, [draft.graph for draft in drafts], self.imports)
                if kept is not None:
                    made.fill[position] = f"self.{kept}"
                    continue
            if values not in known:
                own = {*first.graph.members, *first.graph.attributes} if run else set()
                known[values] = _unique(column[0].hint, taken | own)
                taken.add(known[values])
                arguments.append((known[values], list(column)))
            name = known[values]
            made.fill[position] = f"self.{name}" if run else name
            if run and name not in made.kept and name not in first.graph.attributes:
                made.kept.append(name)
        made.parameters = [*first.borrowed, *(name for name, _ in arguments)]
        for row, draft in enumerate(drafts):
            for graph in draft.graphs:
                self.instances[id(graph)] = (made, [column[row] for _, column in arguments])
        return made

    def _class_name(self, graph: Graph) -> str:
        if graph is self.root:
            return "Model"
        joint = "_" if graph.name[-1:].isdigit() else ""
        name = _unique(graph.name, self.names | self.imports.taken(), joint)
        self.names.add(name)
        return name

    def _draft(self, graph: Graph) -> _Draft:
        base = self.imports.name(graph.base)
        members = Members(graph, self.imports, self.instance)
        init = members.lines()
        parameters: list[str] = []
        forward: list[Text] = []
        if graph.nodes and not graph.is_sequential:
            parameters, forward = forward_of(graph)(graph, self.imports, lambda path: written(graph, path)).lines()
        return _Draft(graph, base, init, parameters, forward, members.borrowed)

    def _written(self, made: _Class) -> str:
        draft = made.draft
        done = 0

        def filled(text: Text, indent: int) -> str:
            nonlocal done
            order = count(done)
            line = "" if isinstance(text, Block) else flat(text, lambda slot: made.fill[next(order)])
            if not line or indent + len(line) > WIDTH:
                order = count(done)
                line = laid_out(_fixed(text, made.fill, order), lambda slot: slot.text, indent, indent)
            done = next(order)
            return line

        lines = [f"class {made.name}({draft.base}):"]
        init_lines = [filled(text, 8) for text in draft.init]
        kept = [f"self.{name} = {name}" for name in made.kept]
        at = next(i for i, line in enumerate(init_lines) if line.startswith("super().__init__")) + 1
        body = [*init_lines[:at], *kept, *init_lines[at:]]
        if len(body) > 1 or made.parameters or draft.graph.init is not None or is_inline(draft.graph):
            lines.append(f"    def __init__({', '.join(['self', *made.parameters])}):")
            lines += [f"        {line}" for line in body]
        if draft.forward:
            if len(lines) > 1:
                lines.append("")
            lines.append(f"    def forward({', '.join(['self', *draft.parameters])}):")
            lines += [f"        {filled(text, 8)}" for text in draft.forward]
        if len(lines) == 1:
            lines.append("    pass")
        return "\n".join(lines)

    def instance(self, graph: Graph, borrowed: Mapping[str, str]) -> Text:
        """The call that makes an instance of an opened module's class."""
        made, arguments = self.instances[id(graph)]
        given: list[Text] = [borrowed[name] for name in made.draft.borrowed]
        return call(made.name, [*given, *(Slot(slot.text, name) for slot, name in self._named(made, arguments))])

    def _named(self, made: _Class, arguments: list[Slot]) -> list[tuple[Slot, str]]:
        return list(zip(arguments, made.parameters[len(made.draft.borrowed) :], strict=True))


def _fixed(text: Text, fill: Mapping[int, str], order: Any) -> Text:
    """The text with its slots filled, in order."""
    if isinstance(text, Slot):
        return fill[next(order)]
    if isinstance(text, Listed):
        return Listed(text.open, tuple(_fixed(item, fill, order) for item in text.items), text.close)
    if isinstance(text, Block):
        return Block(text.head, tuple(_fixed(line, fill, order) for line in text.lines))
    if isinstance(text, tuple):
        return tuple(_fixed(item, fill, order) for item in text)
    return text


def _height(member: Member, heights: dict[int, list[Graph]]) -> int:
    """How many classes stand below; each graph that becomes a class is noted under its own."""
    inside = list(children(member).values()) + (list(member.shared.values()) if isinstance(member, Graph) else [])
    below = max((_height(child, heights) for child in inside), default=0)
    if not isinstance(member, Graph) or is_inline(member):
        return below
    heights.setdefault(below, []).append(member)
    return below + 1


def _kept_already(graph: Graph, values: tuple[str, ...], graphs: list[Graph], imports: Imports) -> str | None:
    """The attribute that holds the same values in all instances of a class."""
    for name in graph.attributes:
        if tuple(literal(other.attributes[name], imports) for other in graphs) == values:
            return name
    return None


def _units(member: Member) -> list[Unit]:
    """Every call in the constructors of a graph and all below it."""
    found: list[Unit] = []

    def visit(value: Any) -> None:
        if isinstance(value, Unit):
            if not value.target.startswith((".", "operator.", "builtins.")):
                found.append(value)
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
        elif isinstance(value, (Tensor, Set)):
            visit(value.value)
        elif isinstance(value, Apply):
            visit(Unit(value.target, value.args, value.kwargs))
        elif isinstance(value, Graph):
            visit((value.init, value.setup, dict(value.shared)))
            visit(dict(children(value)))

    visit(member)
    return found


def _unique(wanted: str, taken: set[str], joint: str = "_") -> str:
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}{joint}{count}", count + 1
    return name
