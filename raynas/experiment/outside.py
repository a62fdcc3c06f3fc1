"""Outside: the user's own modules that do not lie in the project's folder, and are not installed either.

The project's folder goes to the other machines of a cluster as a whole. What lies beside it (next to a script that was
started elsewhere, on `PYTHONPATH`, in a package that is installed as editable) has to be sent, too.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from raynas.experiment.user_code import users_own

MOST = 100 << 20
"""Bytes of a folder from which on it is not sent: it holds more than code, and has to be there."""

FILES = 10_000
"""The same for the number of its files."""

OWN = ("raynas", "raynas_strategies")
"""What each machine must have by itself."""


def outside(names: Iterable[str], project: str) -> list[str]:
    """The files and folders of the top-level modules that lie outside a folder and are needed for these names.

    Args:
        names: qualified names of classes and functions.
        project: that folder.
    """
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module for name in names for module in _modules_in(name)]
    while waiting:
        name = waiting.pop()
        if name in seen or not users_own(name) or name.partition(".")[0] in OWN:
            continue
        seen.add(name)
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or not os.path.isfile(file):
            continue
        waiting += [module for used in _imports(name, file) for module in _modules_in(used)]
        place = _top(name, os.path.abspath(file))
        if place not in found and not Path(place).is_relative_to(os.path.abspath(project)) and _is_small(place):
            found.add(place)
    return sorted(found)


def _modules_in(name: str) -> list[str]:
    """The loaded modules on the way to a qualified name."""
    parts = name.split(".")
    return [module for end in range(1, len(parts) + 1) if (module := ".".join(parts[:end])) in sys.modules]


def _imports(module: str, file: str) -> Iterator[str]:
    """What a module's text imports, by qualified names."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = module if getattr(sys.modules[module], "__path__", None) else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: max(0, package.count(".") + 2 - node.level)] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _top(module: str, file: str) -> str:
    """The file or folder of the top-level module in which a module lies."""
    depth = module.count(".") + (os.path.basename(file) == "__init__.py")
    place = Path(file)
    return str(place.parents[depth - 1] if depth else place)


def _is_small(place: str) -> bool:
    """Whether a file or folder is small enough to be sent; no longer looked at than that takes."""
    left = MOST
    files = [Path(place)] if os.path.isfile(place) else Path(place).rglob("*")
    for number, path in enumerate(files):
        left -= path.stat().st_size if path.is_file() else 0
        if left < 0 or number > FILES:
            return False
    return True
