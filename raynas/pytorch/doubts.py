"""Doubts: comparisons with None of the model's inputs, which are settled once it is known which inputs it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import fx, nn

from raynas.pytorch import nones
from raynas.pytorch.proxy import Untraceable
from raynas.pytorch.reasons import located

Stack: TypeAlias = tuple[nn.Module, ...]
Need: TypeAlias = tuple[fx.Node, Stack]
"""An input of the outermost forward that cannot be None, and in which modules that shows."""


class Doubts:
    """The inputs that a model needs, and the comparisons that would be answered wrongly for one that may be None."""

    def __init__(self) -> None:
        self._needs: list[Need] = []
        self._needed: dict[fx.Node, list[Stack]] = {}
        self._found: list[tuple[nn.Module, fx.Node, str]] = []

    def __len__(self) -> int:
        """How many needs were noted."""
        return len(self._needs)

    def note(self, node: fx.Node, stack: Sequence[nn.Module]) -> None:
        """Note of a node that some inputs of the outermost forward cannot be None, and where that shows."""
        for origin in nones.needed(node):
            if origin.op == "placeholder":
                self._add((origin, tuple(stack)))

    def _add(self, need: Need) -> None:
        self._needed.setdefault(need[0], []).append(need[1])
        self._needs.append(need)

    def forget(self, before: int) -> list[Need]:
        """Take back what was noted behind the first so many, as one way through a forward need not be another."""
        taken = self._needs[before:]
        del self._needs[before:]
        for origin, _ in taken:
            self._needed[origin].pop()
            if not self._needed[origin]:
                del self._needed[origin]
        return taken

    def keep(self, ways: Sequence[list[Need]]) -> None:
        """Note what is needed in all ways through a forward."""
        for need in ways[0] if ways else ():
            if all(need in others for others in ways):
                self._add(need)

    def ask(self, node: fx.Node, name: str, module: nn.Module) -> None:
        """A parameter is compared with None, and may be None: unless it is an input that turns out to be needed."""
        origin = nones.origin_of(node)
        if origin.op != "placeholder":
            raise Untraceable(f"{nones.TELL}: '{name}'")
        if origin not in self._needed:
            self._found.append((module, origin, name))

    def settled(self) -> dict[nn.Module, str]:
        """The modules that ask what only the run knows, and why they cannot be traced."""
        found: dict[nn.Module, str] = {}
        for module, node, name in self._found:
            if all(module in stack for stack in self._needed.get(node, ())):
                found.setdefault(module, located(f"{nones.TELL}: '{name}'", module))
        return found
