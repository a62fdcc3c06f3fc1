"""Cases: small models, what to call them with, and which of their modules are kept whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass
class Case:
    """A model to send through the front door and back.

    Attributes:
        factory: builds it.
        inputs, kwargs: of a call.
        opaque: paths of exactly the modules that are kept whole (`the` stands for the model itself).
        options: of `check`.
    """

    name: str
    factory: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    opaque: tuple[str, ...] | None = ()
    options: dict[str, Any] = field(default_factory=dict)


class Zoo:
    """Collects cases; use as a decorator on a module class or a function that builds a module."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def __call__(self, *inputs: Any, opaque: tuple[str, ...] | None = (), options: Any = None, **kwargs: Any) -> Any:
        def note(factory: Any) -> Any:
            self.cases.append(Case(factory.__name__, factory, inputs, kwargs, opaque, options or {}))
            return factory

        return note
