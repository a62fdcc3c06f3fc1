"""Cases: small models, what to call them with, and which of their modules are kept whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

X = torch.linspace(-1, 1, 12).reshape(2, 6)
Y = torch.linspace(-2, 1, 18).reshape(3, 6)


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(6, 6)


@dataclass
class Case:
    """A model to send through the front door and back.

    Attributes:
        factory: builds it.
        inputs, kwargs: of a call.
        opaque: paths of exactly the modules that are kept whole (`the` stands for the model itself).
        options: of `check`.
        others: inputs of further calls.
    """

    name: str
    factory: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    opaque: tuple[str, ...] | None = ()
    options: dict[str, Any] = field(default_factory=dict)
    others: tuple[tuple[Any, ...], ...] = ()


class Zoo:
    """Collects cases; use as a decorator on a module class or a function that builds a module.

    Args:
        inputs: of a case that names none, and of its further calls.
    """

    def __init__(self, *inputs: tuple[Any, ...]) -> None:
        self.cases: list[Case] = []
        self.inputs = inputs

    def __call__(
        self,
        *inputs: Any,
        opaque: tuple[str, ...] | None = (),
        options: Any = None,
        others: tuple[tuple[Any, ...], ...] = (),
        **kwargs: Any,
    ) -> Any:
        def note(factory: Any) -> Any:
            given, *more = (inputs, *others) if inputs or not self.inputs else self.inputs
            self.cases.append(Case(factory.__name__, factory, given, kwargs, opaque, options or {}, tuple(more)))
            return factory

        return note
