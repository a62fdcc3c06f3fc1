"""One unit or function on meta tensors, each only once for the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from raynas.graph import Unit
from raynas.pytorch.names import resolve
from raynas.pytorch.profiling.abstract import Unclear, key_of, specs_of, tensors_of

if TYPE_CHECKING:
    from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")

LIMIT = 20_000
"""So many measurements are remembered; past it, all are forgotten."""

Changes = tuple[tuple[str, Any], ...]
"""Attributes that the model sets on a unit after its construction: paths below the unit, and values."""

_known: dict[Any, Any] = {}


@dataclass(frozen=True)
class Measured:
    """What a call gives.

    Attributes:
        output: the value, its tensors as specs.
        flops: two for each multiply-accumulate.
        parameters: shapes of the unit's parameters by name, after the call; shared ones once.
    """

    output: Any
    flops: int
    parameters: Mapping[str, tuple[int, ...]]


class Meter:
    """Measures what was not measured before. A context manager; inside it only meta tensors should run."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._counter: FlopCounterMode | None = None

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def unit(self, unit: Unit, changes: Changes, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Measured:
        """A unit's call."""

        def measured() -> Measured:
            module = self.module(unit, changes)
            output, flops = self._run(module, args, kwargs)
            return Measured(output, flops, parameters_of(module))

        return remembered(lambda: ("call", *_unit_key(unit, changes), key_of(args), key_of(kwargs)), measured)

    def function(
        self, target: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Measured:
        """A function's or method's call; `target` tells them apart."""

        def measured() -> Measured:
            return Measured(*self._run(function, args, kwargs), {})

        return remembered(lambda: (target, function, key_of(args), key_of(kwargs)), measured)

    def parameters(self, unit: Unit, changes: Changes) -> Mapping[str, tuple[int, ...]]:
        """Of a unit that is not called."""
        return remembered(
            lambda: ("parameters", *_unit_key(unit, changes)), lambda: parameters_of(self.module(unit, changes))
        )

    def attribute(self, unit: Unit, changes: Changes, path: str) -> Any:
        """What stands at a path below a unit; tensors as specs."""
        return remembered(
            lambda: ("attribute", path, *_unit_key(unit, changes)),
            lambda: specs_of(_at(self.module(unit, changes), path)),
        )

    def module(self, unit: Unit, changes: Changes) -> nn.Module:
        """The unit on the meta device, in eval mode."""
        self._begin()
        module = _made(unit)
        if not isinstance(module, nn.Module):
            raise Unclear(f"{unit.target} made a {type(module).__name__}")
        for path, value in changes:
            parent, _, name = path.rpartition(".")
            setattr(_at(module, parent), name, value)
        return module.eval()

    def value(self, unit: Unit) -> Any:
        """What a call that creates a tensor gives."""

        def made() -> Any:
            self._begin()
            return specs_of(_made(unit))

        return remembered(lambda: ("value", *_unit_key(unit, ())), made)

    def _run(self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, int]:
        counter = self._begin()
        before = counter.get_total_flops()
        output = call(*tensors_of(args), **tensors_of(kwargs))
        return specs_of(output), counter.get_total_flops() - before

    def _begin(self) -> FlopCounterMode:
        if self._counter is None:
            from torch.utils.flop_counter import FlopCounterMode  # half a second, which a mere import must not cost

            self._stack.enter_context(torch.no_grad())  # FlopCounterMode counts nothing under inference_mode
            self._stack.enter_context(torch.device("meta"))
            self._counter = self._stack.enter_context(FlopCounterMode(display=False))
        return self._counter


def remembered(key: Callable[[], Any], make: Callable[[], T]) -> T:
    """What `make` gave when it was asked for this key before; asked again where the key cannot be hashed."""
    try:
        known = key()
        return cast(T, _known[known])
    except KeyError:
        pass
    except TypeError:
        return make()
    made = make()
    if len(_known) >= LIMIT:
        _known.clear()
    _known[known] = made
    return made


def forget() -> None:
    """Forget all measurements."""
    _known.clear()


def parameters_of(module: nn.Module) -> Mapping[str, tuple[int, ...]]:
    """Shapes by name; shared parameters once."""
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


def _unit_key(unit: Unit, changes: Changes) -> tuple[Any, ...]:
    return resolve(unit.target), key_of(unit.args), key_of(unit.kwargs), key_of(changes)


def _made(value: Any) -> Any:
    if isinstance(value, Unit):
        args = [_made(arg) for arg in value.args]
        return resolve(value.target)(*args, **{key: _made(arg) for key, arg in value.kwargs.items()})
    if type(value) in (tuple, list):
        return type(value)(map(_made, value))
    if type(value) is dict:
        return {key: _made(item) for key, item in value.items()}
    return value


def _at(found: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        found = getattr(found, part)
    return found
