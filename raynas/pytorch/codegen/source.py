"""to_source: classes for the graphs, equal ones shared, in an order in which each comes before its users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Apply, Graph, Make, Member, Path, Set, Shared, Tensor, Unit
from raynas.graph.graph import children
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.forward import Forward
from raynas.pytorch.codegen.literals import Imports, constructor, literal
from raynas.pytorch.codegen.text import Listed, Slot, Text, call, flat, laid_out, slots

LISTS = ("torch.nn.ModuleList", "torch.nn.Sequential")


def to_source(graph: Graph) -> str:
    """PyTorch source of a frozen graph; its class is `Model`.

    The same graph gives the same text. Subgraphs that are equal but for literals share one class, which takes the
    literals as constructor parameters.

    Raises:
        GraphError: a choice is not made, or a value has no literal form.
    """
    return _Writer(graph).text()


@dataclass
class _Draft:
    """A class that is not laid out yet.

    Attributes:
        lines: statements of the constructor, of `forward` and, first, what tells classes apart beside them.
    """

    graph: Graph
    base: str
    init: list[Text]
    parameters: list[str]
    forward: list[Text]
    borrowed: list[str]

    def slots(self) -> list[Slot]:
        return [slot for text in (*self.init, *self.forward) for slot in slots(text)]

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
        self.instances: dict[int, tuple[_Class, list[Slot]]] = {}
        self.names: set[str] = set()

    def text(self) -> str:
        for unit in _units(self.root):
            self.imports.name(unit.target)
        heights: dict[int, list[Graph]] = {}
        top = _height(self.root, heights)
        if _is_inline(self.root):
            heights[top] = [self.root]
        for height in sorted(heights):
            self._resolve(heights[height])
        body = "\n\n\n".join(self._written(item) for item in self.classes)
        return "\n".join(self.imports.lines()) + f"\n\n\n{body}\n"

    def _resolve(self, graphs: list[Graph]) -> None:
        """Make classes of graphs that hang on nothing but classes made before."""
        groups: dict[tuple[Any, ...], list[_Draft]] = {}
        for graph in graphs:
            draft = self._draft(graph)
            groups.setdefault(draft.form() if graph is not self.root else (id(graph),), []).append(draft)
        for drafts in groups.values():
            made = self._class(drafts)
            self.classes.append(made)

    def _class(self, drafts: list[_Draft]) -> _Class:
        first = drafts[0]
        made = _Class(self._class_name(first.graph), first, {})
        columns = list(zip(*(draft.slots() for draft in drafts), strict=True))
        known: dict[tuple[str, ...], str] = {}
        arguments: list[tuple[str, list[Slot]]] = []
        taken = {*first.borrowed, *self.imports.taken()}
        for position, column in enumerate(columns):
            values = tuple(slot.text for slot in column)
            if len(set(values)) == 1:
                made.fill[position] = values[0]
                continue
            run = any(slot.run for slot in column)
            if values not in known:
                known[values] = _unique(column[0].hint, taken)
                taken.add(known[values])
                arguments.append((known[values], list(column)))
            name = known[values]
            made.fill[position] = f"self.{name}" if run else name
            if run and name not in made.kept:
                made.kept.append(name)
        made.parameters = [*first.borrowed, *(name for name, _ in arguments)]
        for row, draft in enumerate(drafts):
            self.instances[id(draft.graph)] = (made, [column[row] for _, column in arguments])
        return made

    def _class_name(self, graph: Graph) -> str:
        if graph is self.root:
            return "Model"
        name = _unique(graph.name, self.names | self.imports.taken(), "")
        self.names.add(name)
        return name

    def _draft(self, graph: Graph) -> _Draft:
        inherits = graph.init is not None or _is_inline(graph)
        base = self.imports.name(graph.base if inherits else "torch.nn.Module")
        members = _Members(self, graph)
        init = members.lines()
        parameters: list[str] = []
        forward: list[Text] = []
        if graph.nodes and not _is_inline(graph):
            parameters, forward = Forward(graph, self.imports, lambda path: _path(graph, path)).lines()
        return _Draft(graph, base, init, parameters, forward, members.borrowed)

    def _written(self, made: _Class) -> str:
        draft = made.draft
        order = iter(range(len(draft.slots())))

        def filled(text: Text, indent: int) -> str:
            fixed = _fixed(text, made.fill, order)
            return laid_out(fixed, lambda slot: slot.text, indent, indent)

        lines = [f"class {made.name}({draft.base}):"]
        init_lines = [filled(text, 8) for text in draft.init]
        kept = [f"self.{name} = {name}" for name in made.kept]
        super_init, *rest = init_lines
        body = [super_init, *kept, *rest]
        if len(body) > 1 or made.parameters or draft.graph.init is not None or _is_inline(draft.graph):
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


class _Members:
    """Writes the constructor of one opened module."""

    def __init__(self, writer: _Writer, graph: Graph) -> None:
        self.writer = writer
        self.graph = graph
        self.imports = writer.imports
        self.borrowed = sorted(_missing(graph))
        self.at: dict[str, str] = {name: name for name in self.borrowed}

    def lines(self) -> list[Text]:
        graph = self.graph
        if _is_inline(graph):
            return [("super().__init__", self._inline(graph)[1])]
        init = graph.init
        lines: list[Text] = [call("super().__init__", constructor(init, self.imports)[1].items if init else [])]  # type: ignore[index,union-attr]  # a call's list
        made = [step.name for step in graph.setup if isinstance(step, Make)]
        early = [name for name in graph.members if name not in made]
        for name in early:
            lines += self._made(name, graph.members[name])
        if made:
            for name in made:
                lines.append((_local(name), " = ", self._expression(graph.members[name])))
            for name in graph.members:
                if name in made:
                    lines.append(_assigned(name, _local(name)))
        for step in graph.setup:
            if isinstance(step, Set):
                lines.append((_path(graph, step.path), " = ", self._step_value(step.value)))
            elif isinstance(step, Apply):
                lines.append(self._applied(step))
        return lines

    def _step_value(self, value: Any) -> Text:
        if isinstance(value, Path):
            return _path(self.graph, value.path)
        return Slot(literal(value, self.imports), "value")

    def _applied(self, step: Apply) -> Text:
        items = [self._step_value(arg) for arg in step.args]
        named: list[Text] = [(f"{key}=", self._step_value(arg)) for key, arg in step.kwargs.items()]
        if step.target.startswith("."):
            return call((items[0], step.target), [*items[1:], *named])
        return call(self.imports.name(step.target), [*items, *named])

    def _made(self, name: str, member: Member) -> list[Text]:
        if isinstance(member, Tensor):
            value = constructor(member.value, self.imports)
            if member.kind == "buffer":
                extra: list[Text] = [] if member.persistent else ["persistent=False"]
                return [call("self.register_buffer", [repr(name), value, *extra])]
            if member.kind == "parameter":
                extra = [] if member.requires_grad else ["requires_grad=False"]
                value = call(self.imports.name("torch.nn.Parameter"), [value, *extra])
            return [(f"self.{name} = ", value)]
        lines: list[Text] = []
        for key in _mentioned(member):
            if key in self.graph.shared and key not in self.at:
                if isinstance(member, Shared):
                    self.at[key] = f"self.{name}" if identifier(name) else key
                    if identifier(name):
                        return [*lines, _assigned(name, self._expression(self.graph.shared[key]))]
                self.at[key] = _local(key)
                lines.append((_local(key), " = ", self._expression(self.graph.shared[key])))
        return [*lines, _assigned(name, self._expression(member))]

    def _expression(self, member: Member) -> Text:
        if isinstance(member, Shared):
            return self.at[member.name]
        if isinstance(member, Unit):
            return constructor(member, self.imports)
        if not isinstance(member, Graph):
            raise GraphError(
                f"a {type(member).__name__} of '{self.graph.name}' is not chosen yet: freeze the graph first"
            )
        return self._inline(member) if _is_inline(member) else self.writer.instance(member, self.at)

    def _inline(self, member: Graph) -> tuple[Text, Text]:
        """A container as the call that makes it: its name, and its arguments."""
        name = self.imports.name(member.base)
        items = tuple(self._expression(child) for child in member.members.values())
        if member.base == "torch.nn.ModuleDict":
            pairs = tuple((repr(key), ": ", item) for key, item in zip(member.members, items, strict=True))
            return name, Listed("(", (Listed("{", pairs, "}"),), ")")
        if member.base == "torch.nn.ModuleList":
            return name, Listed("(", (Listed("[", items, "]"),), ")")
        if list(member.members) == [str(i) for i in range(len(items))]:
            return name, Listed("(", items, ")")
        named = tuple(("(", repr(key), ", ", item, ")") for key, item in zip(member.members, items, strict=True))
        ordered = call(self.imports.word("OrderedDict"), [Listed("[", named, "]")])
        return name, Listed("(", (ordered,), ")")


def _fixed(text: Text, fill: Mapping[int, str], order: Any) -> Text:
    """The text with its slots filled, in order."""
    if isinstance(text, Slot):
        return fill[next(order)]
    if isinstance(text, Listed):
        return Listed(text.open, tuple(_fixed(item, fill, order) for item in text.items), text.close)
    if isinstance(text, tuple):
        return tuple(_fixed(item, fill, order) for item in text)
    return text


def _is_inline(graph: Graph) -> bool:
    """Whether a graph is written as an expression, such as `nn.Sequential(…)`, rather than as a class."""
    if graph.shared or graph.setup or graph.init is not None:
        return False
    if any(isinstance(member, Tensor) for member in graph.members.values()):
        return False
    if graph.base == "torch.nn.Sequential":
        return not graph.nodes or graph.is_sequential
    return graph.base in ("torch.nn.ModuleList", "torch.nn.ModuleDict") and not graph.nodes


def _height(member: Member, heights: dict[int, list[Graph]]) -> int:
    """How many classes stand below; each graph that becomes a class is noted under its own."""
    inside = list(children(member).values()) + (list(member.shared.values()) if isinstance(member, Graph) else [])
    below = max((_height(child, heights) for child in inside), default=0)
    if not isinstance(member, Graph) or _is_inline(member):
        return below
    heights.setdefault(below, []).append(member)
    return below + 1


def _units(member: Member) -> list[Unit]:
    found = [member] if isinstance(member, Unit) else []
    for child in children(member).values():
        found += _units(child)
    if isinstance(member, Graph):
        for child in member.shared.values():
            found += _units(child)
        found += [member.init] if member.init else []
    return found


def _mentioned(member: Member) -> list[str]:
    """The shared members that a member mentions, at any depth, each once, in order."""
    if isinstance(member, Shared):
        return [member.name]
    found: dict[str, None] = {}
    own = set(member.shared) if isinstance(member, Graph) else set()
    inside = list(children(member).values()) + (list(member.shared.values()) if isinstance(member, Graph) else [])
    for child in inside:
        found.update(dict.fromkeys(name for name in _mentioned(child) if name not in own))
    return list(found)


def _missing(graph: Graph) -> set[str]:
    """The shared members that a graph needs and does not hold itself."""
    return set(_mentioned(graph))


def _path(graph: Graph, path: str) -> str:
    """A path below an opened module as source: `self.blocks[0].conv`."""
    text, here = "self", graph
    scope: dict[str, Member] = dict(graph.shared)
    parts = path.split(".")
    for position, part in enumerate(parts):
        base = here.base if isinstance(here, Graph) else ""
        if base in LISTS and part.isdigit() and isinstance(here, Graph) and _is_inline(here):
            text += f"[{part}]"
        elif base == "torch.nn.ModuleDict" and isinstance(here, Graph) and part in here.members:
            text += f"[{part!r}]"
        elif identifier(part):
            text += f".{part}"
        else:
            text += f".get_submodule({part!r})"
        found: Any = children(here).get(part) if isinstance(here, Graph) else None
        while isinstance(found, Shared):
            found = scope.get(found.name)
        if isinstance(found, Graph):
            scope.update(found.shared)
        here = found
        if found is None and position < len(parts) - 1:
            continue
    return text


def _assigned(name: str, text: Text) -> Text:
    return (f"self.{name} = ", text) if identifier(name) else call("self.add_module", [repr(name), text])


def _local(name: str) -> str:
    return name if identifier(name) else f"child_{name}" if identifier(f"child_{name}") else "child"


def _unique(wanted: str, taken: set[str], joint: str = "_") -> str:
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}{joint}{count}", count + 1
    return name
