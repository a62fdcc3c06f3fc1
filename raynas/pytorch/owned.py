"""Owned: the tensors of a model, which module holds each, and which memory each shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from raynas.pytorch.places import NO_TENSORS
from raynas.pytorch.state import TORCHS


class Owned:
    """The tensors of a model.

    Args:
        modules: all of the model's.
        moved: tensors that were given other memory while the model was built, each with what it showed before.

    Attributes:
        holders: by id, each tensor, and the first module that holds it.
    """

    def __init__(self, modules: Iterable[nn.Module], moved: Iterable[tuple[Tensor, Tensor]]) -> None:
        self.holders: dict[int, tuple[Tensor, nn.Module]] = {}
        self.storages: dict[int, list[Tensor]] = {}
        self._first: dict[int, Tensor] = {}
        for module, tensor in _tensors(modules):
            if id(tensor) not in self.holders:
                self.holders[id(tensor)] = (tensor, module)
            self.storages.setdefault(storage(tensor), []).append(tensor)
        for tensor, before in moved:
            self._first.setdefault(id(tensor), before)
            if id(tensor) in self.holders:
                self.storages.setdefault(storage(before), []).append(tensor)

    def holder(self, tensor: Tensor) -> nn.Module:
        """The first module that holds a tensor of the model."""
        return self.holders[id(tensor)][1]

    def first(self, tensor: Tensor) -> Tensor:
        """What a tensor of the model showed when it was made."""
        return self._first.get(id(tensor), tensor)

    def own(self, tensor: Tensor) -> Tensor | None:
        """The model's tensor that this one is, or shows from end to end."""
        if id(tensor) in self.holders:
            return tensor
        for mine in self.storages.get(storage(tensor), ()):
            if _layout(self.first(mine)) == _layout(tensor):
                return mine
        return None

    def sharing(self, tensor: Tensor) -> list[Tensor]:
        """The model's other tensors that share memory with one of its own."""
        return [other for other in self.storages.get(storage(tensor), ()) if other is not tensor]


def storage(tensor: Tensor) -> int:
    """The memory that a tensor shows, as a number."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # of a sparse tensor, or of one without a shape yet
        return id(tensor)


def geometry(tensor: Tensor) -> tuple[Any, ...]:
    """Which memory a tensor shows, and how."""
    return storage(tensor), *_layout(tensor)


def _layout(tensor: Tensor) -> tuple[Any, ...]:
    if is_lazy(tensor) or tensor.layout != torch.strided:
        return (id(tensor),)
    return tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype


def _tensors(modules: Iterable[nn.Module]) -> Iterator[tuple[nn.Module, Tensor]]:
    for module in modules:
        for own in (module._parameters, module._buffers):
            for tensor in own.values():
                if tensor is not None:
                    yield module, tensor
        for name, value in module.__dict__.items():
            if name not in TORCHS and type(value) not in NO_TENSORS and isinstance(value, Tensor):
                yield module, value
