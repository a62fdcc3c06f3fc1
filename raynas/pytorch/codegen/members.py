"""The constructor of one opened module, as statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Apply, Copy, Graph, Let, Local, Make, Member, Path, Set, Shared, Step, Tensor, Unit
from raynas.graph.graph import find
from raynas.graph.setup import is_there, paths_of
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.arithmetic import INFIX, PREFIX, arithmetic
from raynas.pytorch.codegen.guards import calls_in, guarded, needs_guard
from raynas.pytorch.codegen.likeness import Kind, Kinds
from raynas.pytorch.codegen.literals import WORDS, Imports, constructor, literal, quoted
from raynas.pytorch.codegen.loops import Loop, rolled
from raynas.pytorch.codegen.paths import DICT_OF, DICTS, base_of, written
from raynas.pytorch.codegen.text import Block, Listed, Slot, Text, call

NUMBER = re.compile(r"_[0-9]+$")


class Members:
    """Writes the constructor of one opened module.

    Args:
        graph: the module.
        imports: collects what the statements need.
        kinds: of the graph and of those below it.
        instance: writes the construction of a module that has a class of its own, given its kind and variables of
            shared members.
    """

    def __init__(
        self, graph: Graph, imports: Imports, kinds: Kinds, instance: Callable[[Kind, tuple[str, ...]], Text]
    ) -> None:
        self.graph = graph
        self.imports = imports
        self.kinds = kinds
        self.instance = instance
        self.borrowed = sorted(kinds.mentioned(graph))
        self.at: dict[str, str] = {name: name for name in self.borrowed}
        self.local: dict[str, str] = {}
        self.copies = {step.path: step.source for step in graph.setup if isinstance(step, Copy)}
        self.originals = set(self.copies.values())
        self.made: dict[str, str] = {}
        self.waiting: dict[str, list[str]] = {"module": []}
        for name, member in graph.members.items():
            self.waiting.setdefault(_register(member), []).append(name)
        self.parts: dict[str, str] = {}
        self.early: list[Text] = []
        self.variables: dict[str, str] = {}
        for step in graph.setup:
            if isinstance(step, Let):  # numbered anew in each constructor, so that equal ones read the same
                taken = {*imports.taken, *WORDS, *self.at, *self.variables.values()}
                self.variables[step.name] = _free(NUMBER.sub("", step.name), taken)

    def lines(self) -> list[Text]:
        """The statements, `super().__init__` first."""
        graph = self.graph
        base: Sequence[Text] = ()
        if graph.init is not None:
            base = constructor(graph.init, self.imports)[1].items  # type: ignore[index,union-attr]  # a call's list
        if graph.is_sequential and list(graph.members) == [str(i) for i in range(len(graph.members))]:
            before = [line for member in graph.members.values() for line in self._before(member)]
            items = [self._expression(name, member) for name, member in graph.members.items()]
            kept = [(f"self.{name} = ", self._value(value, name)) for name, value in graph.attributes.items()]
            return [*before, *self._taken_early(), call("super().__init__", items), *kept]
        lines: list[Text] = [call("super().__init__", base)]
        lines += [(f"self.{name} = ", self._value(value, name)) for name, value in graph.attributes.items()]
        steps = [step for step in graph.setup if not isinstance(step, Copy)]
        late = {step.name for step in steps if isinstance(step, Make)}
        for name in graph.members:
            if name not in late:
                made = self._make(name)
                lines += [*self._taken_early(), *made]
        for step in rolled(graph, steps, self.imports):
            if isinstance(step, Loop):
                lines.append(self._looped(step))
            elif isinstance(step, Make):
                if step.name in graph.members:
                    made = self._make(step.name)
                    lines += [*self._taken_early(), *made]
                elif is_there(graph, step.name):
                    member = find(graph, step.name, graph.shared)[0]
                    part: Text = self._expression(step.name, member)
                    name = self._unused(step.name.replace(".", "_"))
                    lines += [*self._taken_early(), (name, " = ", part)]
                    self.parts[step.name] = name
            else:
                lines += self._step(step)
        return guarded(lines, self.imports)

    def _unused(self, wanted: str) -> str:
        """A variable that the constructor does not use yet."""
        known = (self.at, self.local, self.made, self.parts, self.variables)
        taken = {name for names in known for name in names.values()} | self.imports.taken | WORDS
        return _free(_local(wanted), taken)

    def _taken_early(self) -> list[Text]:
        """Variables of originals of which copies are made, as far as they are not written yet."""
        early, self.early = self.early, []
        return early

    def _path(self, path: str) -> Text:
        """A path, by the variables of what is not assigned yet."""
        loose = {part: name for part, name in self.parts.items() if part.partition(".")[0] in self.waiting["module"]}
        return written(self.graph, path, {**loose, **self.local})

    def _make(self, name: str) -> list[Text]:
        """Make a member: it is assigned where all of its kind before it are, else kept in a variable."""
        member = self.graph.members[name]
        waiting = self.waiting[_register(member)]
        if waiting[0] == name:
            waiting.pop(0)
            lines = self._made(name, member)
            while waiting and waiting[0] in self.local:
                ready = waiting.pop(0)
                variable = self.local.pop(ready)
                lines.append(_assigned(ready, variable))
            return lines
        lines = self._before(member)
        expression = self._expression(name, member) if not isinstance(member, Tensor) else self._tensor(name, member)
        if isinstance(member, Tensor) and member.kind == "buffer":
            raise GraphError(f"'{self.graph.name}' makes the buffer '{name}' before what is registered before it")
        self.local[name] = self._unused(name)
        if self.made.get(name) == f"self.{name}":  # a copy is made of what is not assigned yet
            self.made[name] = self.local[name]
        return [*lines, (self.local[name], " = ", expression)]

    def _made(self, name: str, member: Member) -> list[Text]:
        if isinstance(member, Tensor):
            value = self._tensor(name, member)
            if member.kind == "buffer":
                extra: list[Text] = [] if member.persistent else ["persistent=False"]
                return [call("self.register_buffer", [quoted(name), value, *extra])]
            return (
                [(f"self.{name} = ", value)]
                if identifier(name)
                else [call("self.register_parameter", [quoted(name), value])]
            )
        if isinstance(member, Shared) and member.name not in self.at and identifier(name):
            shared = self.graph.shared[member.name]
            self.at[member.name] = f"self.{name}"
            lines = self._before(shared)
            return [*lines, _assigned(name, self._expression(name, shared))]
        lines = self._before(member)
        return [*lines, _assigned(name, self._expression(name, member))]

    def _before(self, member: Member) -> list[Text]:
        """Variables for the shared members that a member mentions first."""
        lines: list[Text] = []
        for key in self.kinds.mentioned(member):
            if key in self.graph.shared and key not in self.at:
                lines += self._before(self.graph.shared[key])
                expression = self._expression(key, self.graph.shared[key])
                self.at[key] = _free(_local(key), {*self.imports.taken, *self.at.values(), *self.graph.members})
                lines.append((self.at[key], " = ", expression))
        return lines

    def _tensor(self, name: str, member: Tensor) -> Text:
        value = self._value(member.value, name)
        if member.kind == "parameter":
            extra = [] if member.requires_grad else ["requires_grad=False"]
            return call(self.imports.name("torch.nn.Parameter"), [value, *extra])
        return value

    def _expression(self, path: str, member: Member) -> Text:
        """What makes a member that stands at `path`."""
        if path in self.parts:
            return self.parts[path]
        if path in self.copies and self.copies[path] in self.made:
            return call(self.imports.name("copy.deepcopy"), [self.made[self.copies[path]]])
        if type(member) is Shared:
            return self.at[member.name]
        text = self._new(path, member)
        if path in self.originals:
            if "." in path or not identifier(path):
                self.made[path] = _free(
                    _local(path.rpartition(".")[0].rpartition(".")[2] or path),
                    {*self.imports.taken, *self.made.values(), *self.at.values()},
                )
                self.early.append((self.made[path], " = ", text))
                return self.made[path]
            self.made[path] = f"self.{path}"
        return text

    def _new(self, path: str, member: Member) -> Text:
        if isinstance(member, Unit):
            key = member.text, member.marks
            known = self.kinds.memory.constructors
            return self.imports.remember(known, key, lambda imports: constructor(member, imports))
        if not isinstance(member, Graph):
            raise GraphError(
                f"a {type(member).__name__} of '{self.graph.name}' is not chosen yet: freeze the graph first"
            )
        kind = self.kinds.of(member)
        if not kind.inline:
            return self.instance(kind, tuple([self.at[name] for name in sorted(kind.mentioned)]))
        items = tuple(
            [
                self._tensor(name, child) if isinstance(child, Tensor) else self._expression(f"{path}.{name}", child)
                for name, child in member.members.items()
            ]
        )
        base = base_of(member)
        if base in DICTS:
            pairs = tuple((quoted(key), ": ", item) for key, item in zip(member.members, items, strict=True))
            return call(self.imports.name(base), [Listed("{", pairs, "}")])
        if base in DICT_OF:
            return call(self.imports.name(base), [Listed("[", items, "]")])
        if list(member.members) == [str(i) for i in range(len(items))]:
            return call(self.imports.name(member.base), items)
        named = tuple(("(", quoted(key), ", ", item, ")") for key, item in zip(member.members, items, strict=True))
        return call(self.imports.name(member.base), [call(self.imports.word("OrderedDict"), [Listed("[", named, "]")])])

    def _step(self, step: Step) -> list[Text]:
        if not all(is_there(self.graph, path) for path in paths_of(step)):
            return []  # it was about something that is no longer part of the graph
        if isinstance(step, Set):
            return [(self._path(step.path), " = ", self._value(step.value, "value"))]
        if isinstance(step, Let):
            line: Text = (self.variables[step.name], " = ", self._value(step.value, "value"))
            return [Block("with torch.no_grad():", (line,))] if needs_guard(step) else [line]
        if isinstance(step, Apply):
            text = self._call(Unit(step.target, step.args, step.kwargs))
            return [Block("with torch.no_grad():", (text,))] if needs_guard(step) else [text]
        return []

    def _value(self, value: Any, hint: str) -> Text:
        if isinstance(value, Path):
            return self._path(value.path)
        if isinstance(value, Local):
            return self.variables[value.name]
        if isinstance(value, Unit):
            return self._call(value)
        if isinstance(value, tuple | list) and any(True for _ in calls_in(value)):
            items = tuple(self._value(item, hint) for item in value)
            close = "]" if isinstance(value, list) else ",)" if len(items) == 1 else ")"
            return Listed("[" if isinstance(value, list) else "(", items, close)
        return Slot(literal(value, self.imports), hint)

    def _call(self, unit: Unit) -> Text:
        special = arithmetic(unit, self._value)
        if special is not None:
            return special
        args = [self._value(arg, "value") for arg in unit.args]
        named: list[Text] = [(f"{_key(key)}=", self._value(arg, key)) for key, arg in unit.kwargs.items()]
        if unit.target.startswith("."):
            first = unit.args[0]
            infix = isinstance(first, Unit) and first.target.removeprefix("operator.") in {**INFIX, **PREFIX}
            head: Text = ("(", args[0], ")") if infix else args[0]
            return call((head, unit.target), [*args[1:], *named])
        return call(self.imports.name(unit.target), [*args, *named])

    def _looped(self, loop: Loop) -> Text:
        """`for module in self.modules(): if isinstance(module, …): …`."""
        branches: list[Text] = []
        for position, branch in enumerate(loop.branches):
            names = [self.imports.name(target) for target in branch.targets]
            kinds = names[0] if len(names) == 1 else f"({', '.join(names)})"
            lines: list[Text] = []
            for step in branch.steps:
                if isinstance(step, Set):
                    lines.append((f"module.{step.path} = ", self._value(step.value, "value")))
                else:
                    first, *others = step.args
                    rest = [self._value(arg, "value") for arg in others]
                    rest += [(f"{_key(key)}=", self._value(arg, key)) for key, arg in step.kwargs.items()]
                    head = f"module.{first.path}"
                    text = (
                        call((head, step.target), rest)
                        if step.target.startswith(".")
                        else call(self.imports.name(step.target), [head, *rest])
                    )
                    line: Text = Block("with torch.no_grad():", (text,)) if needs_guard(step) else text
                    if first.path in branch.optional:
                        line = Block(f"if module.{first.path} is not None:", (line,))
                    lines.append(line)
            word = "elif" if position else "if"
            branches.append(Block(f"{word} isinstance(module, {kinds}):", tuple(guarded(lines, self.imports))))
        return Block("for module in self.modules():", tuple(branches))


def _register(member: Member) -> str:
    """Where a module keeps it: torch has a register for each kind, and each an order of its own."""
    return member.kind if isinstance(member, Tensor) else "module"


def _assigned(name: str, text: Text) -> Text:
    return (f"self.{name} = ", text) if identifier(name) else call("self.add_module", [quoted(name), text])


def _local(name: str) -> str:
    return name if identifier(name) else f"child_{name}" if identifier(f"child_{name}") else "child"


def _free(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}_{count}", count + 1
    return name


def _key(name: str) -> str:
    if not identifier(name):
        raise GraphError(f"an argument is named {name!r}, which is not an identifier")
    return name
