"""Resolve: what a name in a module stands for, followed through imports to where it is defined."""

from __future__ import annotations

import builtins
import importlib
from dataclasses import dataclass

from raynas.errors import SerializationError
from raynas.pytorch.export.modules import Library, Module
from raynas.pytorch.export.names import Alias

KNOWN = frozenset({*dir(builtins), "__name__", "__doc__", "__debug__", "__annotations__"})


AGAIN = "give one of the two another name"


@dataclass(frozen=True)
class Defined:
    """A name that a user module's own statements bind."""

    module: str
    name: str


@dataclass(frozen=True)
class Imported:
    """Something of an installed package: `module`, or `attr` of it.

    Attributes:
        top: whether only the first part of `module` is bound.
        name: under which the user imports it.
    """

    module: str
    attr: str | None
    top: bool
    name: str

    @property
    def bound(self) -> str:
        """What is bound: the same however it is imported."""
        if self.top:
            return self.module.partition(".")[0]
        return self.module if self.attr is None else f"{self.module}.{self.attr}"


@dataclass(frozen=True)
class Space:
    """A user module itself."""

    module: str


@dataclass(frozen=True)
class Raynas:
    """Something of raynas's own."""

    name: str


@dataclass(frozen=True)
class Builtin:
    """A name that Python knows everywhere."""

    name: str


@dataclass(frozen=True)
class Missing:
    """A name that stands for nothing.

    Attributes:
        why: in words that follow «which».
        cure: what to do.
    """

    why: str
    cure: str = "define it at the top level of a module"


Target = Defined | Imported | Space | Raynas | Builtin | Missing


class Resolver:
    """Follows names.

    Args:
        library: the modules.
    """

    def __init__(self, library: Library) -> None:
        self.library = library

    def name(self, module: Module, name: str, trail: tuple[tuple[str, str], ...] = ()) -> Target:
        """What a name in a user module stands for."""
        if (module.name, name) in trail:
            return Missing(f"modules import from each other in a circle: {', '.join(m for m, _ in trail)}")
        targets = self.imported(module, name, (*trail, (module.name, name)))
        if name in module.bindings:
            if max(targets, default=-1) > module.bindings[name][-1].position:
                return Missing(f"{module.file} defines and then imports again", AGAIN)
            return Defined(module.name, name)
        if len({target.bound if isinstance(target, Imported) else target for target in targets.values()}) > 1:
            return Missing(f"{module.file} imports again as something else", AGAIN)
        if targets:
            return targets[max(targets)]
        if name in KNOWN:
            return Builtin(name)
        if name in module.guarded:
            return Missing(f"{module.file} defines only under `if __name__ == '__main__'`")
        return Missing(f"no statement of {module.file} defines")

    def imported(self, module: Module, name: str, trail: tuple[tuple[str, str], ...] = ()) -> dict[int, Target]:
        """What a user module's imports bind to a name, by their positions."""
        found: dict[int, Target] = {}
        for position, item in enumerate(module.items):
            for alias in item if isinstance(item, tuple) else ():
                target: Target | None = None
                if alias.name == name:
                    target = self.alias(alias, trail)
                elif alias.attr == "*":
                    target = self._starred(alias, name, trail)
                if target is not None:
                    found[position] = target
        return found

    def alias(self, alias: Alias, trail: tuple[tuple[str, str], ...] = ()) -> Target:
        """What an import's name stands for."""
        kind = self.library.kind(alias.module)
        if kind == "raynas":
            return self.raynas(alias.module if alias.attr is None else f"{alias.module}.{alias.attr}", alias.name)
        if kind == "missing":
            return Missing(f"comes from the module '{alias.module}', which is not here")
        if kind == "installed":
            return Imported(alias.module, alias.attr, alias.top, alias.name)
        if alias.attr is None:
            return Space(alias.name if alias.top else alias.module)
        return self.member(alias.module, alias.attr, trail)

    def raynas(self, name: str, own: str = "") -> Target:
        """What a name of raynas's stands for: itself, unless the file is to hold or import something in its place."""
        module, _, attr = self.library.faces.get(name, "").rpartition(".")
        if not module:
            return Raynas(name)
        if self.library.kind(module) == "user":
            return self.member(module, attr)
        return Imported(module, attr, False, own or attr)

    def member(self, module: str, attr: str, trail: tuple[tuple[str, str], ...] = ()) -> Target:
        """What an attribute of a user module stands for."""
        source = self.library.get(module)
        found = self.name(source, attr, trail)
        if not isinstance(found, Builtin | Missing):
            return found
        inner = f"{module}.{attr}"
        if self.library.is_package(module) and self.library.is_module(inner):
            return Space(inner)
        return found if isinstance(found, Missing) else Missing(f"no statement of {source.file} defines")

    def _starred(self, star: Alias, name: str, trail: tuple[tuple[str, str], ...]) -> Target | None:
        """What `from … import *` binds to a name; None: nothing."""
        kind = self.library.kind(star.module)
        if kind == "user":
            source = self.library.get(star.module)
            public = source.public
            if name.startswith("_") if public is None else name not in public:
                return None
            found = self.name(source, name, trail)
            return None if isinstance(found, Builtin | Missing) else found
        if kind == "missing":
            return Missing(f"may come from the module '{star.module}', which is not here")
        try:
            module = importlib.import_module(star.module)
        except ImportError as error:
            raise SerializationError(f"'{star.module}' cannot be imported: {error}") from None
        public_names = getattr(module, "__all__", None) or [item for item in vars(module) if not item.startswith("_")]
        if name not in public_names:
            return None
        if kind == "raynas":
            return self.raynas(f"{star.module}.{name}", name)
        return Imported(star.module, name, False, name)
