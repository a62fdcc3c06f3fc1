"""Memory: what was written, for graphs that come again. It is forgotten as a whole when it has grown too large."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

LIMIT = 2_000
"""So many kinds of graphs are known at most."""


class Memory:
    """What is known; nothing in it hangs on the order in which it was found out.

    Attributes:
        token: tells this memory from others.
        kinds: the kinds of graphs, by what makes them so; see `likeness`.
        alike: objects that stand for kinds that may share a class.
        constructors: calls of units.
        passes: forward passes.
        classes: classes, by what they are made of.
    """

    def __init__(self) -> None:
        self.token = object()
        self.kinds: dict[Hashable, Any] = {}
        self.alike: dict[Hashable, object] = {}
        self.constructors: dict[Hashable, Any] = {}
        self.passes: dict[Hashable, Any] = {}
        self.classes: dict[Hashable, Any] = {}


_memories = [Memory()]


def memory() -> Memory:
    """What is known now; whoever writes a model does so with one of them."""
    if len(_memories[0].kinds) > LIMIT:
        forget()
    return _memories[0]


def forget() -> None:
    """Write everything anew from here on."""
    _memories[0] = Memory()
