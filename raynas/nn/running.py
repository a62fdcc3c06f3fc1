"""Running a model that nobody has searched yet: every choice at its default."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from raynas.search_space import expression

CALL = nn.Module.__call__
"""As torch defines it: while torch.fx traces, another function stands there, and choices must stay choices."""


class _Thread(threading.local):
    depth = 0


_thread = _Thread()


def is_running() -> bool:
    """Whether a model runs at its defaults on this thread."""
    return _thread.depth > 0


def is_traced() -> bool:
    """Whether torch.fx is tracing."""
    return nn.Module.__call__ is not CALL


@contextmanager
def at_defaults(root: nn.Module) -> Iterator[None]:
    """While this is open, attributes of `root` and of what is below it that are choices are their defaults."""
    replaced: list[tuple[nn.Module, str, Any]] = []
    for module in root.modules():
        for name, value in vars(module).items():
            if not name.startswith("_") and any(True for _ in expression.leaves(value)):
                replaced.append((module, name, value))
    _thread.depth += 1
    try:
        for module, name, value in replaced:
            module.__dict__[name] = expression.defaults(value)
        yield
    finally:
        _thread.depth -= 1
        for module, name, value in replaced:
            module.__dict__[name] = value
