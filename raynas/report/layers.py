"""Layers: what a model does to one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from raynas.report.tables import Table


def layers(model: nn.Module, inputs: Sequence[Any]) -> tuple[Table, Any]:
    """Run a model once, and say which layers it calls, in their order, and what shapes come out.

    Args:
        model: stays as it is, but for what a forward pass changes.
        inputs: arguments of one call.

    Returns:
        The table, with each layer's own parameters, and the model's output.
    """
    rows: list[tuple[str, str, str, str]] = []
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if names[module]:
            own = sum(p.numel() for p in module.parameters(recurse=not any(module.children())))
            rows.append((names[module], type(module).__name__, shapes(output), f"{own:,}" if own else ""))

    hooks = [module.register_forward_hook(note) for module in names]
    try:
        output = model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    total = sum(p.numel() for p in model.parameters())
    head = f"Layers, from {', '.join(map(shapes, inputs))}"
    return Table(head, ("layer", "kind", "output", "parameters"), tuple(rows), f"{total:,} parameters"), output


def shapes(value: Any) -> str:
    """The shapes of all tensors in a value.

    >>> shapes((torch.zeros(2, 3), {"mask": None}))
    '(2×3, {mask: None})'
    """
    if isinstance(value, torch.Tensor):
        return "×".join(map(str, value.shape)) or "scalar"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {shapes(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(map(shapes, value))})"
    return str(value) if value is None or isinstance(value, bool | int | float) else type(value).__name__


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors in a value."""
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in tensors(item)]
