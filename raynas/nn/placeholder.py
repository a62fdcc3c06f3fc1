"""Placeholder: a place in a model for which a mutator finds a module."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import nn

from raynas.errors import SpaceError
from raynas.nn.basic_unit import basic_unit
from raynas.search_space.where import users_line


@basic_unit
class Placeholder(nn.Module):
    """Stands for a module that a `Mutator` puts in its place: `graph.find(label=…)` finds it.

    Args:
        label: its name.
        info: whatever the mutator is to know: plain values.
    """

    def __init__(self, label: str, **info: Any) -> None:
        super().__init__()
        self.label = label
        self.info = info

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Always raises: nothing has taken its place."""
        raise SpaceError(
            f"{users_line()}: the placeholder '{self.label}' cannot run: pass raynas.trace a mutator that replaces it"
        )
