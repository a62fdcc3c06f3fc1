"""standalone: a frozen graph, or its source, with the user's own code written into it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from raynas.errors import SerializationError
from raynas.graph import Graph
from raynas.pytorch.codegen import to_source
from raynas.pytorch.export.bundle import bundle
from raynas.pytorch.export.modules import Library
from raynas.pytorch.export.names import aliases_of


def standalone(graph: Graph, texts: Mapping[str, str] | None = None) -> str:
    """Source of a frozen graph that runs where neither raynas nor the user's project is installed.

    Args:
        graph: a frozen graph.
        texts: as in `self_contained`.

    Raises:
        GraphError: a choice is not made, or a value has no literal form.
        SerializationError: the graph needs something of the user's that cannot be written into a file; names it.
    """
    return self_contained(to_source(graph), texts)


def self_contained(source: str, texts: Mapping[str, str] | None = None) -> str:
    """Generated source with what it imports from the user's own modules written in front of it.

    Of each class and function there comes its text and all that it hangs on: other definitions, constants, base classes
    and imports, in the order in which Python would run them. raynas's decorators are taken off. Names that two modules
    give to different things are told apart by a number. What is imported from installed packages stays an import.

    Args:
        source: as `to_source` makes it; returned as it is where it imports nothing of the user's.
        texts: the sources of the user's modules by name, as `module_texts` found them when the search began; what is
            not among them is read from its file, as it is now.

    Raises:
        SerializationError: something cannot be written into a file; names it, its line, and what to do.
    """
    imports = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.module for node in imports for alias in aliases_of(node, "")}
    library = Library(texts, frozenset(name for name in modules if name.startswith("raynas.")))
    if all(library.kind(name) == "installed" for name in modules):
        return source
    return bundle(source, library)


def script(source: str, texts: Mapping[str, str] | None, opened: Iterable[str], faces: Mapping[str, str]) -> str:
    """A program with all in it that it needs of the user's modules and of some of raynas's.

    Args:
        source: the program, which imports that.
        texts: as in `self_contained`.
        opened: raynas's modules of which parts may be written into it.
        faces: qualified names of raynas's, and what they stand for in the program.

    Raises:
        SerializationError: something cannot be written into a file; names it, its line, and what to do.
    """
    return bundle(source, Library(texts, frozenset(opened), faces), "the training")


def module_texts(names: Iterable[str]) -> dict[str, str]:
    """The sources of the user's modules behind qualified names, and of all that those import, by module.

    Kept when a search begins, they let `self_contained` write what was trained, whatever became of the files since.

    Args:
        names: qualified names of classes and functions, such as `GraphSpace.units()`.
    """
    library = Library()
    texts: dict[str, str] = {}
    waiting = sorted({_module_of(name, library) for name in names})
    while waiting:
        name = waiting.pop()
        if not name or name in texts or library.kind(name) != "user":
            continue
        waiting.append(name.rpartition(".")[0])
        try:
            module, text = library.get(name), library.text(name)
        except SerializationError:
            continue  # where it is needed, the export will say so
        texts[name] = text
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in aliases_of(node, module.package):
                    waiting += [alias.module, f"{alias.module}.{alias.attr}" if alias.attr else ""]
    return texts


def _module_of(name: str, library: Library) -> str:
    """The longest part of a qualified name that is a module."""
    parts = name.split(".")
    found = (".".join(parts[:cut]) for cut in range(len(parts) - 1, 0, -1))
    return next((module for module in found if library.is_module(module)), "")
