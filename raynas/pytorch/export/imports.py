"""Imports: the statements at the top of the file, merged and sorted as isort would."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from raynas.pytorch.codegen.text import WIDTH


@dataclass(frozen=True)
class Import:
    """One name's import.

    Attributes:
        module: what is imported, or from what.
        attr: what is imported from it; None: the module itself.
        name: the name that it gets; empty: its own.
    """

    module: str
    attr: str | None = None
    name: str = ""


def written(imports: Iterable[Import], lazy: bool) -> str:
    """The import statements.

    Args:
        imports: what is imported, in any order.
        lazy: whether annotations are not to be evaluated.
    """
    found = sorted(set(imports), key=lambda item: (item.module.lower(), item.attr or "", item.name))
    rooms = {
        True: [item for item in found if item.module.partition(".")[0] in sys.stdlib_module_names],
        False: [item for item in found if item.module.partition(".")[0] not in sys.stdlib_module_names],
    }
    sections = [["from __future__ import annotations"]] if lazy else []
    sections += [_section(room) for room in rooms.values() if room]
    return "\n\n".join("\n".join(lines) for lines in sections)


def _section(imports: list[Import]) -> list[str]:
    lines = [f"import {item.module}" + _as(item.name) for item in imports if item.attr is None]
    modules = list(dict.fromkeys(item.module for item in imports if item.attr is not None))
    for module in modules:
        names = [item for item in imports if item.module == module and item.attr is not None]
        lines += [_merged(module, [item.attr for item in names if item.attr and not item.name])] if names else []
        lines += [f"from {module} import {item.attr}{_as(item.name)}" for item in names if item.name]
    return [line for line in lines if line]


def _merged(module: str, names: list[str]) -> str:
    if not names:
        return ""
    names = sorted(names, key=lambda name: (_rank(name), name))
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _rank(name: str) -> int:
    """Constants, then classes, then the rest."""
    if name.isupper() and len(name) > 1:
        return 0
    return 1 if name[:1].isupper() else 2


def _as(name: str) -> str:
    return f" as {name}" if name else ""
