"""Needed: the statements that a module hangs on, wherever in the user's code they stand."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import NoReturn

from raynas.errors import SerializationError
from raynas.pytorch.export.modules import Library, Module, Statement
from raynas.pytorch.export.names import Alias, InnerImport, Span, Use
from raynas.pytorch.export.resolve import AGAIN, Builtin, Defined, Imported, Missing, Raynas, Resolver, Space, Target

MARKS = ("basic_unit", "serialize_cls")
"""raynas's decorators, which change nothing about what a class computes."""

BLIND = ("eval", "exec", "globals", "__import__")
"""Functions that find names at run time, where nobody can follow them."""


@dataclass(frozen=True)
class Reference:
    """A use, and what it stands for.

    Attributes:
        use: where.
        target: what.
        length: how many of the attributes behind the name belong to it: `helpers.scale` has one.
    """

    use: Use
    target: Defined | Imported
    length: int


@dataclass(eq=False)
class Part:
    """A statement that is needed.

    Attributes:
        statement: it.
        wanted_by: what needs it.
        references: its names.
        removed: texts in it that go, and what comes in their place.
    """

    statement: Statement
    wanted_by: str
    references: list[Reference] = field(default_factory=list)
    removed: dict[Span, str] = field(default_factory=dict)


class Needed:
    """Collects all that a module hangs on.

    Args:
        root: the module; all of it is needed.
        whole: what to call it in messages.
        library: where the others are.
    """

    def __init__(self, root: Module, library: Library, whole: str = "the model") -> None:
        self.root = root
        self.library = library
        self.resolver = Resolver(library)
        self.parts: dict[Statement, Part] = {}
        self.builtins: set[str] = set()
        self.rebound: dict[Defined, Imported] = {}
        self._skipped: dict[Statement, Defined] = {}
        self._needed: set[Defined] = set()
        for item in root.items:
            if isinstance(item, Statement):
                self._include(item, whole)
        self._complete()

    def in_order(self) -> list[Part]:
        """The parts in the order in which Python would run them, each behind those that it needs when it runs."""
        done: dict[Statement, Part] = {}
        begun: set[Statement] = set()

        def put(part: Part) -> None:
            begun.add(part.statement)
            for reference in part.references:
                target = reference.target
                if isinstance(target, Defined) and not reference.use.late and not reference.use.binds:
                    makers = [item for item in self._makers(target) if item in self.parts]
                    if makers and not any(item in begun for item in makers):
                        put(self.parts[makers[0]])
            done[part.statement] = part

        for statement in self._order():
            if statement in self.parts and statement not in begun:
                put(self.parts[statement])
        return list(done.values())

    def _makers(self, target: Defined) -> list[Statement]:
        module = self.root if target.module == self.root.name else self.library.get(target.module)
        return module.bindings.get(target.name, [])

    def _order(self) -> list[Statement]:
        """All statements of all modules in reach, in the order in which Python would run them."""
        found: list[Statement] = []
        seen: set[str] = set()

        def enter(name: str) -> None:
            parent = name.rpartition(".")[0]
            if parent and parent not in seen:
                enter(parent)
            if name in seen or self.library.kind(name) != "user":
                return
            seen.add(name)
            try:
                module = self.library.get(name)
            except SerializationError:
                return  # it matters only if something of it is needed, and then it is refused
            run(module)

        def run(module: Module) -> None:
            for item in module.items:
                if isinstance(item, Statement):
                    found.append(item)
                    continue
                for alias in item:
                    follow(alias)

        def follow(alias: Alias) -> None:
            enter(alias.module)
            if alias.attr is not None and self.library.kind(alias.module) == "user":
                enter(f"{alias.module}.{alias.attr}")

        run(self.root)
        for part in list(self.parts.values()):
            for item in part.statement.names.imports:
                for alias in item.aliases:
                    follow(alias)
        # `import a.b` lets a module use `a.c`, too, if another imports that: such modules are not met on the way.
        met = set(found)
        found += [statement for statement in self.parts if statement not in met]
        return sorted(found, key=lambda statement: statement.module is self.root)

    def _include(self, statement: Statement, wanted_by: str) -> None:
        if statement in self.parts:
            return
        part = self.parts[statement] = Part(statement, wanted_by)
        marks = self._marks(part)
        for item in statement.names.imports:
            self._inner(part, item)
        for use in statement.names.uses:
            if use.spans and any(start <= use.spans[0][0] < end for start, end in marks):
                continue
            target, length = self._target(statement.module, use)
            if use.imported is not None and isinstance(target, Imported | Missing):
                continue  # the function imports it itself
            self._refer(part, use, target, length)

    def _target(self, module: Module, use: Use) -> tuple[Target, int]:
        """What a use stands for, and how many attributes belong to it."""
        target = self.resolver.alias(use.imported) if use.imported else self.resolver.name(module, use.name)
        length = 0
        while isinstance(target, Space) and length < len(use.chain):
            target = self.resolver.member(target.module, use.chain[length])
            length += 1
        if isinstance(target, Raynas):
            for further in range(length + 1, len(use.chain) + 1):
                found = self.resolver.raynas(".".join((target.name, *use.chain[length:further])))
                if not isinstance(found, Raynas):
                    return found, further
        return target, length

    def _refer(self, part: Part, use: Use, target: Target, length: int) -> None:
        statement = part.statement
        name = ".".join((use.name, *use.chain[:length]))
        if isinstance(target, Defined):
            part.references.append(Reference(use, target, length))
            self._need(target, statement.label)
        elif isinstance(target, Imported):
            part.references.append(Reference(use, target, length))
        elif isinstance(target, Builtin):
            self.builtins.add(target.name)
            if target.name in BLIND:
                self._refuse(part, use.line, f"{target.name}() finds names that nobody can follow", "write them out")
        elif not use.spans:
            pass  # a name in a string: only readers look it up
        elif isinstance(target, Raynas):
            full = ".".join((target.name, *use.chain[length:])) if target.name == "raynas" else target.name
            self._refuse(
                part,
                use.line,
                f"it uses {full}, and the file must run without raynas",
                "let it take plain values, and choose among them where it is constructed",
            )
        elif isinstance(target, Space):
            self._refuse(
                part, use.line, f"it uses the module '{target.module}' as a value", "name what it uses of it, as `m.f`"
            )
        elif name == "__file__" and statement.module is self.root:
            pass  # the file's own
        elif name == "__file__":
            self._refuse(
                part, use.line, "it reads __file__, and the file will lie elsewhere", "pass the path or the data"
            )
        else:
            self._refuse(part, use.line, f"it uses '{name}', which {target.why}", target.cure)

    def _need(self, target: Defined, wanted_by: str) -> None:
        if target in self._needed:
            return
        self._needed.add(target)
        makers = self._makers(target)
        last = max((i for i, item in enumerate(makers) if item.is_plain), default=0)
        for statement in makers[:last]:
            self._skipped.setdefault(statement, target)
        for statement in makers[last:]:
            self._include(statement, wanted_by)
        self._import_too(target, makers[-1])

    def _import_too(self, target: Defined, maker: Statement) -> None:
        """Where a name is imported before it is bound: keep the import if the binding reads it, as `f = wrap(f)`."""
        module = maker.module
        imported = self.resolver.imported(module, target.name)
        if not imported:
            return
        found = imported[max(imported)]
        reads = [item for item in module.items if isinstance(item, Statement) and item.position <= maker.position]
        early = [item for item in reads if any(_reads(use, target.name) for use in item.names.uses)]
        if early == [maker] and len(module.bindings[target.name]) == 1 and isinstance(found, Imported):
            self.rebound[target] = found
        elif early or not maker.is_plain:
            why = f"'{target.name}' is imported and then bound again"
            self._refuse(self.parts[maker], maker.node.lineno, why, AGAIN)

    def _complete(self) -> None:
        """Add statements that change what is needed, until there are none left."""
        changed = True
        while changed:
            changed = False
            order = self._order()
            for statement in order:
                if statement not in self.parts and statement not in self._skipped:
                    reached = self._changes(statement) & self._needed
                    if reached:
                        self._include(statement, min(target.name for target in reached))
                        changed = True
            for statement, target in list(self._skipped.items()):
                if statement not in self.parts and self._seen_by_others(statement, target, order):
                    self._include(statement, target.name)
                    changed = True

    def _changes(self, statement: Statement) -> set[Defined]:
        """What a statement may change in place when it runs, by itself or through functions that it calls."""
        names, module = statement.names, statement.module
        found: set[Defined] = set()
        running = names.calls or getattr(statement.node, "decorator_list", [])
        for use in names.uses:
            if use.late or use.binds or not (running or use.name in names.touched):
                continue
            try:
                target, length = self._target(module, use)
            except SerializationError:
                continue
            if not isinstance(target, Defined):
                continue
            makers = self._makers(target)
            value = length < len(use.chain) or not any(item.is_definition for item in makers)
            if use.name in names.touched and value:
                found.add(target)
            for maker in makers if running else ():
                for name in maker.names.changed:
                    inner = self.resolver.name(maker.module, name)
                    found |= {inner} if isinstance(inner, Defined) else set()
        return found

    def _seen_by_others(self, statement: Statement, target: Defined, order: list[Statement]) -> bool:
        """Whether something needed may have read a name between this binding of it and the last."""
        last = next(item for item in reversed(self._makers(target)) if item.is_plain)
        for between in order[order.index(statement) + 1 : order.index(last)]:
            if between in self.parts:
                names = between.names
                marks = self._marks(self.parts[between])
                decorated = len(getattr(between.node, "decorator_list", [])) > len(marks)
                if (names.calls and not marks) or decorated or any(_reads(use, target.name) for use in names.uses):
                    return True
        return any(_reads(use, target.name) for use in last.names.uses)

    def _marks(self, part: Part) -> list[Span]:
        """Where raynas's decorators stand in a statement; they are taken off."""
        statement = part.statement
        text, found = statement.module.text, self._called_marks(part)
        for decorator in getattr(statement.node, "decorator_list", []):
            start, end = text.span(decorator)
            if self._is_mark(statement, (start, end)):
                found.append((start, end))
                part.removed[text.data.rindex(b"@", 0, start), text.data.find(b"\n", end) + 1] = ""
        return found

    def _called_marks(self, part: Part) -> list[Span]:
        """The same where the decorator is called: `Block = basic_unit(Block)`."""
        node, text = part.statement.node, part.statement.module.text
        call = node.value if isinstance(node, ast.Assign) else None
        if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
            return []
        function, argument = text.span(call.func), text.span(call.args[0])
        if not self._is_mark(part.statement, function):
            return []
        if isinstance(node, ast.Assign) and [text[text.span(item)] for item in node.targets] == [text[argument]]:
            part.removed[part.statement.span] = ""
        else:
            part.removed[function[0], argument[0]] = ""
            part.removed[argument[1], text.span(call)[1]] = ""
        return [function]

    def _is_mark(self, statement: Statement, span: Span) -> bool:
        """Whether one of raynas's decorators is named here."""
        for use in statement.names.uses:
            if use.spans and use.spans[-1] == span:
                target, length = self._target(statement.module, use)
                full = (target.name, *use.chain[length:]) if isinstance(target, Raynas) else ("",)
                return full[-1].rpartition(".")[2] in MARKS
        return False

    def _inner(self, part: Part, item: InnerImport) -> None:
        """Take out an import of user code that stands inside a statement."""
        kinds = {self.library.kind(alias.module) for alias in item.aliases}
        module = item.aliases[0].module
        if "raynas" in kinds:
            self._refuse(part, item.line, f"it imports '{module}', and the file must run without raynas", "do without")
        if "missing" in kinds and not item.tried:
            self._refuse(part, item.line, f"it imports '{module}', which is not here", "install it, or do without")
        if "user" not in kinds:
            return
        if item.where != "function" or item.tried or item.clash or len(kinds) > 1:
            self._refuse(part, item.line, f"it imports '{module}' in its midst", "import it at the top of the module")
        text = part.statement.module.text
        start, end = item.span
        if item.alone:
            part.removed[item.span] = "pass"
        else:
            begin, stop = text.data.rfind(b"\n", 0, start) + 1, text.data.find(b"\n", end) + 1
            if text.data[:begin].endswith(b":\n") and text.data[stop:].startswith(b"\n"):
                stop += 1  # no blank line at the beginning of a block
            whole = not text.data[begin:start].strip() and not text.data[end:stop].split(b"#")[0].strip()
            part.removed[(begin, stop) if whole and stop else item.span] = "" if whole and stop else "pass"

    def _refuse(self, part: Part, line: int, why: str, cure: str) -> NoReturn:
        statement = part.statement
        where = f"{statement.module.file}:{line}"
        raise SerializationError(
            f"{statement.label}, which {part.wanted_by} needs, cannot be written into the file: {why} ({where}): {cure}"
        )


def _reads(use: Use, name: str) -> bool:
    """Whether a statement reads the name when it runs."""
    return use.name == name and not use.late and not use.binds
