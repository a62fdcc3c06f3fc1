"""Leaves: functions that `torch.jit` compiled, which nothing can look into; each call becomes a step."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from raynas.pytorch.passing import proxies_in
from raynas.pytorch.steps import ATTRIBUTES, Step


@dataclass(frozen=True, eq=False)
class Leaf:
    """A leaf, where a user's code finds it.

    Attributes:
        function: the function.
        home: the names of a module.
        name: its own among them.
    """

    function: Callable[..., Any]
    home: dict[str, Any]
    name: str

    @property
    def qualified(self) -> str:
        """The name under which it can be imported."""
        return f"{self.home['__name__']}.{self.name}"


def leaf_at(steps: Sequence[Step], position: int, names: Mapping[str, Any], function: Any) -> Leaf | None:
    """The leaf that `name` or `module.name` at a position in a function's code gives; None where that is none."""
    home: Any = names
    if not isinstance(function, torch.jit.ScriptFunction):
        return None
    words = [steps[position].value]
    for step in steps[position + 1 :]:
        if step.op not in ATTRIBUTES:
            break
        words.append(step.value)
    for word in words:
        value = home.get(word)
        if value is function:
            return Leaf(function, home, word)
        if not isinstance(value, types.ModuleType):
            return None
        home = vars(value)
    return None


@contextmanager
def stepping(leaves: Sequence[Leaf], step: Callable[[Leaf, Any, Any], Any]) -> Iterator[None]:
    """While this is open, calls of leaves are what `step` makes of them, where only the run knows their arguments."""

    def stand_in(leaf: Leaf) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            known = next(proxies_in((args, kwargs)), None) is None
            return leaf.function(*args, **kwargs) if known else step(leaf, args, kwargs)

        return call

    before = [leaf.home[leaf.name] for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.home[leaf.name] = stand_in(leaf)
        yield
    finally:
        for leaf, value in zip(leaves, before, strict=True):
            leaf.home[leaf.name] = value
