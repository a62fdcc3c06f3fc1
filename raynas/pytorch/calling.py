"""Calling: with which inputs a model is traced, and for which calls its graph then stands."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from raynas.errors import TraceError
from raynas.pytorch.passing import alike
from raynas.pytorch.reasons import signature_of
from raynas.pytorch.tracer import Tracer


@dataclass
class Inputs:
    """The root's inputs.

    Attributes:
        names: those that a call passes; None: those without a default.
        optional: those that a call may pass as well.
        fixed: those whose default decides what is computed.
        absent: those for which a call passes None.
    """

    names: list[str] | None
    optional: set[str]
    fixed: list[str] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)

    @classmethod
    def given(cls, root: nn.Module, example_inputs: Sequence[Any] | None) -> Inputs:
        """The inputs as an example passes them.

        Raises:
            TraceError: the model cannot be called like this.
        """
        if example_inputs is None:
            return cls.of(root, None)
        signature = signature_of(root)
        try:
            bound = signature.bind(*example_inputs).arguments
        except TypeError as error:
            raise TraceError(
                f"{type(root).__name__} cannot be called with {len(example_inputs)} example inputs ({error}): "
                "pass those of one call, in order"
            ) from None
        names: list[str] = []
        for name, value in bound.items():
            several = signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            names += [f"{name}_{i}" for i in range(len(value))] if several else [name]
        made = cls.of(root, names)
        made.absent = {name for name, value in bound.items() if value is None}
        return made

    @classmethod
    def of(cls, root: nn.Module, names: list[str] | None) -> Inputs:
        parameters = signature_of(root).parameters.values()
        defaults = {p.name for p in parameters if p.default is not p.empty and p.name not in (names or ())}
        return cls(names, {p.name for p in parameters if p.name in defaults and p.default is not None})

    def fix(self) -> None:
        """Leave the optional inputs at their defaults."""
        self.fixed += sorted(self.optional)
        self.optional = set()

    def hint(self, root: nn.Module) -> str:
        """What may help where a forward fails that is passed no more than it must be."""
        left_out = self.names is None and any(p.default is None for p in signature_of(root).parameters.values())
        return ": pass example_inputs to trace one kind of call" if left_out else ""

    def doubt(self, root: nn.Module, tracer: Tracer) -> str:
        """Why the graph does not stand for every call; empty where it does."""
        if self.names is not None:
            return ""
        parameters = list(signature_of(root).parameters.values())
        for item in parameters:
            if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD):
                return f"takes any number of arguments as '{item.name}': pass example_inputs to trace one kind of call"
        if self.fixed:
            return f"decides by its argument '{self.fixed[0]}': pass example_inputs to trace one kind of call"
        absent = {p.name for p in parameters if p.default is None}
        if not absent:
            return ""
        other = Tracer(tracer.opaque, None, self.optional | absent)
        try:
            other.run(root)
            same = alike(tracer.bodies[root].graph, other.bodies[root].graph)
        except Exception:  # whatever a forward raises when it is passed what it was not made for
            same = False
        if not same:
            return f"decides by its argument '{min(absent)}': pass example_inputs to trace one kind of call"
        tracer.bodies[root] = other.bodies[root]
        tracer.bodies.update(other.bodies)
        return ""
