"""Bundle: a module and all that it needs of the user's code, as one file."""

from __future__ import annotations

import ast

from raynas.errors import SerializationError
from raynas.pytorch.export.imports import Import, written
from raynas.pytorch.export.modules import Library, Module, Statement, read
from raynas.pytorch.export.naming import Naming
from raynas.pytorch.export.needed import Needed, Part
from raynas.pytorch.export.resolve import Imported, Missing, Resolver


def bundle(source: str, library: Library, whole: str = "the model") -> str:
    """A file that holds `source`, and in front of it what it imports from the user's modules."""
    root = read("", source, "the generated source")
    needed = Needed(root, library, whole)
    parts = needed.in_order()
    names = Naming(root, parts, needed.builtins)
    texts = [(part, text) for part in parts if (text := _edited(part, names)).strip()]
    head = written(_imports(parts, needed, names), any(part.statement.module.lazy for part in parts))
    made = "\n".join([head, *_joined(texts)] if head else _joined(texts)).lstrip("\n") + "\n"
    _check(made, library)
    return made


def _edited(part: Part, names: Naming) -> str:
    """A statement's text with its names as they are in the file."""
    text = part.statement.module.text
    start, end = part.statement.span
    edits = dict(part.removed)
    for reference in part.references:
        use, new = reference.use, names[reference.target]
        if not use.spans:
            continue
        old = text[use.spans[reference.length]]
        expected = ".".join((use.name, *use.chain[: reference.length]))
        if expected == new:
            continue
        if "".join(old.split()) != expected:  # inside an f-string older Pythons do not say where a name stands
            raise SerializationError(
                f"'{use.name}' cannot become '{new}' in {part.statement.module.file}:{use.line}: "
                "move it out of the string"
            )
        at = use.spans[reference.length]
        if not any(span[0] <= at[0] < span[1] for span in part.removed):
            edits[at] = new
    data = text.data
    for span in sorted(edits, reverse=True):
        data = data[: span[0]] + edits[span].encode() + data[span[1] :]
    return data[start : len(data) - (len(text.data) - end)].decode()


def _imports(parts: list[Part], needed: Needed, names: Naming) -> list[Import]:
    found: dict[tuple[str, str], Import] = {}
    tops: set[Import] = set()
    for part in parts:
        for reference in part.references:
            target, use = reference.target, reference.use
            if not isinstance(target, Imported):
                continue
            name = names[target]
            own = part.statement.module.imports.get(use.name, []) if use.imported is None else []
            modules = [
                alias for alias in own if alias.attr is None and needed.library.kind(alias.module) == "installed"
            ]
            if target.top or len(modules) > 1:
                full = ".".join((use.name, *use.chain))
                fitting = [a for a in modules if f"{full}.".startswith(f"{a.module}.")] or modules
                tops |= {Import(alias.module) for alias in fitting} or {Import(target.module)}
            else:
                found.setdefault((target.bound, name), _import(target, name))
    for defined, target in needed.rebound.items():
        found.setdefault((target.bound, names[defined]), _import(target, names[defined]))
    return [*found.values(), *tops]


def _import(target: Imported, name: str) -> Import:
    own = target.attr or target.module
    return Import(target.module, target.attr, "" if name == own else name)


def _joined(texts: list[tuple[Part, str]]) -> list[str]:
    """The statements with the blank lines between them that a formatter would leave."""
    lines: list[str] = []
    before: Statement | None = None
    for part, text in texts:
        statement = part.statement
        if statement.is_definition or before is None or before.is_definition:
            blank = 2 if statement.is_definition or before is not None else 1
        else:
            blank = 0 if _adjacent(before, statement) else 1
        lines += [*[""] * blank, text]
        before = statement
    return lines


def _adjacent(one: Statement, other: Statement) -> bool:
    """Whether no blank line stands between two statements."""
    if one.module is not other.module or one.position + 1 != other.position:
        return False
    return not one.module.text[one.span[1], other.span[0]].replace("\n", "", 1).strip(" ;")


def _check(made: str, library: Library) -> None:
    """The last look: every name that the file uses is there."""
    module: Module = read("", made, "the file")
    resolver = Resolver(Library())
    for item in module.items:
        for use in item.names.uses if isinstance(item, Statement) else ():
            found = resolver.name(module, use.name)
            if use.spans and not use.imported and use.name != "__file__" and isinstance(found, Missing):
                raise SerializationError(
                    f"the file would not know '{use.name}' (line {use.line}): define it at the top level of a module"
                )
    for node in ast.walk(ast.parse(made)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            if library.kind(name) in ("user", "raynas"):
                raise SerializationError(f"the file would import '{name}', which is not installed everywhere")
