"""Export: generated source with the user's own code written into it, so that it needs neither that nor raynas."""

from __future__ import annotations
import __future__

import ast
import importlib
import importlib.util
import inspect
import io
import tokenize
from types import ModuleType
from typing import Any

from raynas.errors import SourceError
from raynas.experiment.user_code import users_own

RECORDERS = ("basic_unit", "serialize_cls")
"""raynas's class decorators: they change nothing of what a class computes, and are left out."""


def exported(source: str) -> str:
    """The source as a file that runs where neither raynas nor the user's modules are.

    Args:
        source: what `raynas.to_source` made.

    Raises:
        SourceError: names what cannot be written out.
    """
    tree = ast.parse(source)
    writer = _Writer({node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)})
    lines = source.splitlines()
    kept, body = [], 0
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            break
        body = node.end_lineno or 0
        if isinstance(node, ast.ImportFrom) and node.module and _goes_in(node.module):
            for alias in node.names:
                writer.add(node.module, alias.name, alias.asname or alias.name)
        else:
            kept.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
    if not writer.definitions:
        return source
    parts = ["\n".join(_sorted({*kept, *writer.imports})), *writer.definitions, "\n".join(lines[body:]).strip("\n")]
    return "\n\n\n".join(parts) + "\n"


def _goes_in(module: str) -> bool:
    """Whether what is imported from a module has to be written into the file."""
    if module.partition(".")[0] == "raynas":
        return True
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise SourceError(
            f"the candidate needs module '{module}', which cannot be imported here ({error}): export it from a place "
            "where it can"
        ) from None
    return users_own(module)


def _sorted(imports: set[str]) -> list[str]:
    return sorted(imports, key=lambda line: (not line.startswith("from __future__"), line.startswith("from"), line))


class _Writer:
    """Collects definitions, each after those that it refers to.

    Args:
        taken: names that the file uses already.
    """

    def __init__(self, taken: set[str]) -> None:
        self.imports: set[str] = set()
        self.definitions: list[str] = []
        self._taken = set(taken)
        self._names: dict[tuple[str, str], str] = {}

    def add(self, module: str, name: str, wanted: str | None = None) -> str:
        """Write out what `module` calls `name`; returns what the file calls it."""
        place = module, name
        if place in self._names:
            return self._names[place]
        known = importlib.import_module(module)
        node = _binding(known, name)
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._names[place] = self._imported(known, node, name)
            return self._names[place]
        given, count = wanted or name, 2
        while given in self._taken:
            given, count = f"{name}{count}", count + 1
        self._taken.add(given)
        self._names[place] = given
        text = _text(known, node)
        renamed = {name: given}
        for used in _used(known, node):
            if used != name and _binding_or_none(known, used) is not None:
                renamed[used] = self.add(module, used)
        hidden = next((old for old, new in renamed.items() if old != new and old in _locals(node)), None)
        if hidden is not None:
            raise SourceError(
                f"{name} of {module} hides '{hidden}' of its module, which the exported file has to call otherwise: "
                "give the argument or variable another name"
            )
        self.definitions.append(_renamed(text, renamed))
        if vars(known).get("annotations") is __future__.annotations:
            self.imports.add("from __future__ import annotations")
        return given

    def _imported(self, module: ModuleType, node: ast.Import | ast.ImportFrom, name: str) -> str:
        alias = next(item for item in node.names if (item.asname or item.name.partition(".")[0]) == name)
        if isinstance(node, ast.Import):
            if _goes_in(alias.name):
                raise SourceError(
                    f"{module.__name__} uses the module '{alias.name}' as a whole, which cannot be written into the "
                    f"exported file: import what is needed by name (from {alias.name} import …)"
                )
            self.imports.add(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
            return name
        origin = importlib.util.resolve_name("." * node.level + (node.module or ""), module.__package__ or "")
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            if _goes_in(value.__name__):
                raise SourceError(
                    f"{module.__name__} uses the module '{value.__name__}' as a whole, which cannot be written into "
                    f"the exported file: import what is needed by name (from {value.__name__} import …)"
                )
        elif _goes_in(origin):
            if origin.partition(".")[0] == "raynas":
                raise SourceError(
                    f"{module.__name__} uses {origin}.{alias.name}, which belongs to raynas and cannot be written into "
                    "the exported file: keep it out of basic units and what they call"
                )
            return self.add(origin, alias.name, name)
        self.imports.add(f"from {origin} import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
        return name


def _binding(module: ModuleType, name: str) -> ast.stmt:
    node = _binding_or_none(module, name)
    if node is None:
        raise SourceError(
            f"'{name}' of {module.__name__} cannot be written into the exported file, because its source does not bind "
            "it at the top level: define it there"
        )
    return node


def _binding_or_none(module: ModuleType, name: str) -> ast.stmt | None:
    """The last statement at the module's top level that binds a name."""
    found = None
    for node in ast.parse(_source(module)).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        else:
            continue
        found = node if name in names else found
    return found


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        raise SourceError(
            f"the candidate needs code of {module.__name__}, whose source is not there: put it into a file"
        ) from None


def _text(module: ModuleType, node: ast.stmt) -> str:
    """The statement's own lines, without raynas's decorators."""
    lines = _source(module).splitlines()
    decorators = getattr(node, "decorator_list", [])
    kept = [
        "\n".join(lines[item.lineno - 1 : item.end_lineno])
        for item in decorators
        if not (isinstance(item, ast.Name | ast.Attribute) and _recorder(module, ast.unparse(item)))
    ]
    return "\n".join([*kept, *lines[node.lineno - 1 : node.end_lineno]])


def _recorder(module: ModuleType, name: str) -> bool:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return getattr(value, "__name__", "") in RECORDERS and getattr(value, "__module__", "").startswith("raynas.")


def _used(module: ModuleType, node: ast.stmt) -> list[str]:
    """The names that a statement reads, in order, each once; raynas's decorators left out."""
    ignored = {
        id(part)
        for item in getattr(node, "decorator_list", [])
        if isinstance(item, ast.Name | ast.Attribute) and _recorder(module, ast.unparse(item))
        for part in ast.walk(item)
    }
    names = (part.id for part in ast.walk(node) if isinstance(part, ast.Name) and id(part) not in ignored)
    return list(dict.fromkeys(names))


def _locals(node: ast.stmt) -> set[str]:
    """The names that a definition gives to arguments and variables of its own."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    parts = list(ast.walk(node))
    stored = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return stored | {part.arg for part in parts if isinstance(part, ast.arg)}


def _renamed(text: str, names: dict[str, str]) -> str:
    """The text with names replaced; attributes and keyword arguments of the same name stay."""
    changed = {old: new for old, new in names.items() if old != new}
    if not changed:
        return text
    lines = text.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for place in range(len(tokens) - 1, -1, -1):
        token = tokens[place]
        before = tokens[place - 1].string if place else ""
        after = tokens[place + 1].string if place + 1 < len(tokens) else ""
        if token.type != tokenize.NAME or token.string not in changed or before == ".":
            continue
        if after == "=" and before in ("(", ","):
            continue
        row, start = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:start] + changed[token.string] + line[token.end[1] :]
    return "".join(lines)
