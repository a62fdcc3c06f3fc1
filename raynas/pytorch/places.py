"""Places: where in a module its parts stand."""

from __future__ import annotations

import torch
from torch import nn

from raynas.pytorch.state import TORCHS


def paths_below(module: nn.Module, known: dict[int, list[tuple[str, int]]] | None = None) -> dict[int, str]:
    """Path by object of all modules, parameters, buffers and tensor attributes below a module.

    Args:
        module: the module.
        known: takes names and ids of each module's own tensors, and gives them at the next call.
    """
    found: dict[int, str] = {}
    tensors: dict[int, list[tuple[str, int]]] = {} if known is None else known

    def visit(child: nn.Module, path: str) -> None:
        found[id(child)] = path
        prefix = f"{path}." if path else ""
        if id(child) not in tensors:
            tensors[id(child)] = own_tensors(child)
        for name, tensor in tensors[id(child)]:
            found.setdefault(tensor, prefix + name)
        for name, inner in child._modules.items():
            if inner is not None and id(inner) not in found:
                visit(inner, prefix + name)

    visit(module, "")
    return found


def own_tensors(module: nn.Module) -> list[tuple[str, int]]:
    found = [(n, id(t)) for own in (module._parameters, module._buffers) for n, t in own.items() if t is not None]
    for name, value in module.__dict__.items():
        if type(value) not in NO_TENSORS and name not in TORCHS and isinstance(value, torch.Tensor):
            found.append((name, id(value)))
    return found


NO_TENSORS = frozenset({bool, int, float, str, tuple, list, dict, type(None)})
