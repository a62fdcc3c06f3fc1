"""Borrowed: a user's model is called to see what it does, and is left as it was."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from raynas.pytorch.state import Watch

KINDS = ("_parameters", "_buffers", "_modules")


@contextmanager
def borrowed(root: nn.Module) -> Iterator[nn.Module]:
    """The model itself, to be called; afterwards its tensors, gradients, modes and attributes are what they were.

    A copy would not do: hooks and closures of a copy belong to the original. Only a model whose layers take their
    shapes from the first call is copied, as that call cannot be undone.
    """
    if any(is_lazy(tensor) for tensor in (*root.parameters(), *root.buffers())):
        yield copy.deepcopy(root)
        return
    modules = list(root.modules())
    modes = [module.training for module in modules]
    held = [{k: dict(vars(m)[k]) for k in KINDS if isinstance(vars(m).get(k), dict)} for m in modules]
    tensors = [_Kept.of(tensor) for tensor in (*root.parameters(), *root.buffers())]
    watch = Watch(root, (), below=True)
    try:
        yield root
    finally:
        watch.undo()
        for module, mode, kinds in zip(modules, modes, held, strict=True):
            module.training = mode
            for kind, before in kinds.items():
                now = vars(module)[kind]
                if list(now) != list(before) or any(now[name] is not item for name, item in before.items()):
                    now.clear()
                    now.update(before)
        for kept in tensors:
            kept.put_back()


@dataclass(frozen=True)
class _Kept:
    tensor: Tensor
    value: Tensor
    gradient: Tensor | None
    needs: bool

    @classmethod
    def of(cls, tensor: Tensor) -> _Kept:
        gradient = tensor.grad if tensor.is_leaf else None
        return cls(tensor, tensor.detach().clone(), gradient, tensor.requires_grad)

    def put_back(self) -> None:
        with torch.no_grad():
            if self.tensor.is_leaf:
                self.tensor.requires_grad_(self.needs)
                self.tensor.grad = self.gradient
            self.tensor.data.copy_(self.value)
