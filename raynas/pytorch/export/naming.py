"""Naming: what everything is called in a file that holds the names of many modules."""

from __future__ import annotations

from raynas.pytorch.export.modules import Module
from raynas.pytorch.export.needed import Part, Reference
from raynas.pytorch.export.resolve import Defined, Imported

Key = Defined | tuple[str, str]


class Naming:
    """Gives every definition and import its name in the file: its own, unless another has that already.

    Args:
        root: the module whose names stay as they are.
        parts: all statements, in order.
        builtins: Python's names that they use, which nothing may cover.
    """

    def __init__(self, root: Module, parts: list[Part], builtins: set[str]) -> None:
        self.names: dict[Key, str] = {}
        self.taken = set(builtins)
        uses: dict[Key, list[Reference]] = {}
        ordered = sorted(parts, key=lambda part: part.statement.module is not root)
        for part in ordered:
            for name in sorted(part.statement.binds):
                uses.setdefault(Defined(part.statement.module.name, name), [])
        for part in ordered:
            for reference in part.references:
                uses.setdefault(_key(reference.target), []).append(reference)
        for key, references in uses.items():
            if isinstance(key, Defined) and key.module == root.name:
                self._take(key, references)
        for part in ordered:
            for reference in part.references:
                key = _key(reference.target)
                if key not in self.names and part.statement.module is root and not isinstance(key, Defined):
                    self._take(key, uses[key])
        for key, references in uses.items():
            if key not in self.names:
                self._take(key, references)

    def __getitem__(self, target: Defined | Imported) -> str:
        return self.names[_key(target)]

    def _take(self, key: Key, references: list[Reference]) -> None:
        own = key.name if isinstance(key, Defined) else key[1]
        wanted = [own, *(reference.use.name for reference in references if not reference.length)]
        joint = "" if own[:1].isupper() and not own.isupper() else "_"
        wanted += [f"{own}{joint}{count}" for count in range(2, 2 + len(self.taken) + len(references) + 1000)]
        name = next(name for name in wanted if name not in self.taken and _fits(name, references))
        self.names[key] = name
        self.taken.add(name)


def _key(target: Defined | Imported) -> Key:
    return target if isinstance(target, Defined) else (target.bound, target.name)


def _fits(name: str, references: list[Reference]) -> bool:
    """Whether no function around a use gives the name to something of its own."""
    return all(
        name not in reference.use.around or (reference.use.imported is not None and name == reference.use.name)
        for reference in references
    )
