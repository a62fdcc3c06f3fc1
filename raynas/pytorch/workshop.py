"""Workshop: what mutators need of torch: modules that they build become members of a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from raynas.errors import GraphError, SerializationError
from raynas.graph import Graph, Unit
from raynas.graph.member import Member
from raynas.nn import is_basic_unit, recording
from raynas.nn.recording import construction
from raynas.pytorch.units import unit_of
from raynas.serializer import call_of


class Workshop:
    """Makes members of modules.

    Args:
        opened: gives the graph of a module for calls that pass the inputs of these names.
    """

    def __init__(self, opened: Callable[[nn.Module, list[str]], Graph]) -> None:
        self._opened = opened

    @contextmanager
    def open(self) -> Iterator[None]:
        """While this is open, modules that are built can become members; no one's random numbers are touched."""
        with torch.random.fork_rng(devices=[]), recording():
            yield

    def member(self, name: str, module: Any, inputs: int) -> Member:
        """A module as the member `name`, called with so many inputs: a unit, or opened as `raynas.trace` opens it."""
        if not isinstance(module, nn.Module):
            raise GraphError(f"'{name}' is to be {module!r}, which is no module: build one")
        if is_basic_unit(type(module)):
            return unit(module, name)
        with recording():
            holder = _Holder(name, module)
        graph = self._opened(holder, [f"inputs_{position}" for position in range(inputs)])
        if graph.shared or graph.setup:
            return graph  # what it needs beside itself stays around it
        return graph.members[name]


def unit(module: nn.Module, name: str) -> Unit:
    """The constructor call of a module that is kept whole."""
    call = construction(module) or call_of(module)
    if call is None:
        raise GraphError(
            f"nobody recorded how the {type(module).__name__} '{name}' was constructed: build it inside mutate"
        )
    try:
        return unit_of(call)
    except SerializationError as error:
        raise GraphError(f"the {type(module).__name__} '{name}' cannot be written as source: {error}") from None


class _Holder(nn.Module):
    """Calls one module."""

    def __init__(self, name: str, module: nn.Module) -> None:
        super().__init__()
        self._held = name
        self.add_module(name, module)

    def forward(self, *inputs: Tensor) -> Any:
        return self.get_submodule(self._held)(*inputs)
