"""Modules: the text behind a module's name, whose it is, and the statements that it consists of."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from raynas.errors import SerializationError
from raynas.pytorch.export.names import Alias, Names, Span, Text, aliases_of
from raynas.pytorch.export.scopes import names_in

Kind = Literal["user", "installed", "raynas", "missing"]

INSTALLED = ("site-packages", "dist-packages")

MARKS = (b"#!", b"# -*-", b"# %%", b"#%%")
"""Comments that belong to the file and not to what follows."""


@dataclass(eq=False)
class Statement:
    """A top-level statement that is no import.

    Attributes:
        module: in which it stands.
        node: its syntax tree.
        span: its text, with decorators, comments right above it and a comment behind it.
        position: among the items of its module.
    """

    module: Module
    node: ast.stmt
    span: Span
    position: int

    @cached_property
    def names(self) -> Names:
        return names_in(self.node, self.module.text, self.module.package, self.module.lazy)

    @cached_property
    def binds(self) -> frozenset[str]:
        """The names of the module that it binds when it runs."""
        return frozenset(use.name for use in self.names.uses if use.binds and not use.late)

    @property
    def is_definition(self) -> bool:
        """Whether it is a class or function."""
        return isinstance(self.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    @property
    def is_plain(self) -> bool:
        """Whether it gives a new value to one name and does nothing else to names."""
        if self.is_definition:
            return True
        simple = isinstance(self.node, ast.Assign) and all(isinstance(item, ast.Name) for item in self.node.targets)
        return (simple or isinstance(self.node, ast.AnnAssign)) and len(self.binds) == 1

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return min(self.binds, default=self.module.name)


@dataclass(eq=False)
class Module:
    """A module, read and not run.

    Attributes:
        name: its name.
        file: for messages.
        text: its source.
        package: that relative imports start from.
        lazy: whether it has `from __future__ import annotations`.
        items: statements, and imports as what they bind, in order.
        guarded: names that are bound under `if __name__ == "__main__"` only.
    """

    name: str
    file: str
    text: Text
    package: str
    lazy: bool = False
    items: list[Statement | tuple[Alias, ...]] = field(default_factory=list)
    guarded: set[str] = field(default_factory=set)

    @cached_property
    def bindings(self) -> dict[str, list[Statement]]:
        """The statements that bind each name."""
        found: dict[str, list[Statement]] = {}
        for item in self.items:
            if isinstance(item, Statement):
                for name in item.binds:
                    found.setdefault(name, []).append(item)
        return found

    @cached_property
    def imports(self) -> dict[str, list[Alias]]:
        """What its imports bind to each name."""
        found: dict[str, list[Alias]] = {}
        for item in self.items:
            for alias in item if isinstance(item, tuple) else ():
                found.setdefault(alias.name, []).append(alias)
        return found

    @property
    def public(self) -> set[str] | None:
        """What its `__all__` lists, where that is a plain list; None: all names without an underscore."""
        for statement in self.bindings.get("__all__", ()):
            value = getattr(statement.node, "value", None)
            if isinstance(value, ast.List | ast.Tuple) and all(isinstance(item, ast.Constant) for item in value.elts):
                return {str(item.value) for item in value.elts}  # type: ignore[attr-defined]  # all are constants
        return None


class Library:
    """The modules that can be read.

    Args:
        texts: the texts of user modules by name, where they need not be the ones that stand in the files now.
        opened: raynas's own modules that are taken for the user's.
        faces: for names of raynas's, what they stand for: something in an opened module, or in an installed package.
    """

    def __init__(
        self,
        texts: Mapping[str, str] | None = None,
        opened: frozenset[str] = frozenset(),
        faces: Mapping[str, str] | None = None,
    ) -> None:
        self.texts = dict(texts or {})
        self.opened = opened
        self.faces = dict(faces or {})
        self._modules: dict[str, Module] = {}
        self._kinds: dict[str, Kind] = {}

    def kind(self, name: str) -> Kind:
        """Whose the module is."""
        if name not in self._kinds:
            self._kinds[name] = self._kind(name)
        return self._kinds[name]

    def _kind(self, name: str) -> Kind:
        if name in self.texts or name in self.opened:
            return "user"
        if any(known.startswith(f"{name}.") for known in self.texts):
            return "user"  # a package of theirs, that holds no text itself
        if name.partition(".")[0] == "raynas":
            return "raynas"
        if name == "__main__":
            return "user"
        if name in sys.builtin_module_names:
            return "installed"
        package = name.partition(".")[0]
        if package != name and name not in sys.modules and self.kind(package) != "user":
            return self.kind(package)  # to look for a part of it would import it
        spec = _spec(name)
        if spec is None:
            return "missing"
        places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
        standard = tuple(sysconfig.get_path(path) + os.sep for path in ("stdlib", "platstdlib"))
        for place in places:
            if any(part in place for part in INSTALLED) or place.startswith(standard):
                return "installed"
        return "user" if places else "installed"

    def get(self, name: str) -> Module:
        """A user module; `SerializationError` where its text is not to be had."""
        if name not in self._modules:
            text, file = self._text(name)
            self._modules[name] = read(name, text, file, self.is_package(name), self._package(name))
        return self._modules[name]

    def is_module(self, name: str) -> bool:
        """Whether there is a module of this name."""
        return name in self.texts or self.kind(name) != "missing"

    def is_package(self, name: str) -> bool:
        """Whether the module may hold others."""
        if any(known.startswith(f"{name}.") for known in self.texts):
            return True
        spec = None if name in self.texts else _spec(name)
        return spec is not None and spec.submodule_search_locations is not None

    def text(self, name: str) -> str:
        """The source of a user module."""
        return self._text(name)[0]

    def _package(self, name: str) -> str:
        if name == "__main__" and name not in self.texts:
            return getattr(sys.modules["__main__"], "__package__", None) or ""
        return name if self.is_package(name) else name.rpartition(".")[0]

    def _text(self, name: str) -> tuple[str, str]:
        if name in self.texts:
            return self.texts[name], name
        module = sys.modules.get(name)
        cells = getattr(module, "In", None) if name == "__main__" else None
        if isinstance(cells, list) and not getattr(module, "__file__", None):
            return "\n\n".join(cell for cell in cells if _is_python(cell)), "the notebook"
        try:
            if module is not None:
                return inspect.getsource(module), getattr(module, "__file__", None) or name
            spec = _spec(name)
            text = spec.loader.get_source(name) if spec is not None else None
            if text is not None and spec is not None:
                return text, spec.origin or name
            if spec is not None and spec.submodule_search_locations is not None:
                return "", name  # a folder without __init__.py
        except (OSError, TypeError, AttributeError, ImportError):
            if module is not None and hasattr(module, "__path__"):
                return "", name
        raise SerializationError(
            f"module '{name}' cannot be written into the file: its source is not to be had, "
            "perhaps because it was typed at a prompt or is compiled: put what the model needs into a .py file"
        )


def read(name: str, text: str, file: str, is_package: bool = False, package: str = "") -> Module:
    """A module from its text."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise SerializationError(f"module '{name}' cannot be read ({file}:{error.lineno}): {error.msg}") from None
    made = Module(name, file, Text(text), package)
    made.lazy = any(
        isinstance(node, ast.ImportFrom) and node.module == "__future__" and node.names[0].name == "annotations"
        for node in tree.body
    )
    end = 0
    for node in tree.body:
        start, end = _whole(made.text, node, end)
        for item in _items(node):
            if isinstance(item, ast.Import | ast.ImportFrom):
                if getattr(item, "module", None) != "__future__":
                    made.items.append(aliases_of(item, package))
            elif _is_guard(item):
                inner = (part for child in item.body for part in ast.walk(child))
                made.guarded |= {part.name for part in inner if isinstance(part, ast.ClassDef | ast.FunctionDef)}
                made.guarded |= {
                    part.id
                    for child in item.body
                    for part in ast.walk(child)
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
                }
            else:
                made.items.append(Statement(made, item, (start, end), len(made.items)))
    return made


def _items(node: Any) -> Iterator[Any]:
    """A statement, or the imports under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and not node.orelse and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        imports = [item for item in node.body if isinstance(item, ast.Import | ast.ImportFrom)]
        if len(imports) == len(node.body):
            yield from imports
            return
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        yield node


def _is_guard(node: ast.stmt) -> bool:
    """Whether a statement is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) and "__main__" in ast.unparse(node.test)


def _whole(text: Text, node: Any, before: int) -> Span:
    """A statement with its decorators, the comments right above it, and the comment behind it."""
    start, end = text.span(node)
    if getattr(node, "decorator_list", None):
        start = text.data.rindex(b"@", before, text.span(node.decorator_list[0])[0])
    line = text.data.rfind(b"\n", 0, start) + 1
    if not text.data[line:start].strip():
        start = line
        while start > before:
            above = text.data.rfind(b"\n", 0, start - 1) + 1
            comment = text.data[above : start - 1]
            if above < before or not comment.startswith(b"#") or comment.startswith(MARKS):
                break
            start = above
    stop = text.data.find(b"\n", end)
    rest = text.data[end : stop if stop >= 0 else len(text.data)]
    return (start, end + len(rest.rstrip())) if rest.strip().startswith(b"#") else (start, end)


def _is_python(cell: Any) -> bool:
    try:
        ast.parse(cell)
    except (SyntaxError, TypeError, ValueError):
        return False
    return True


def _spec(name: str) -> Any:
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is not None:
        return spec
    file = getattr(module, "__file__", None)
    if module is not None and file:
        return importlib.util.spec_from_file_location(name, file)
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
