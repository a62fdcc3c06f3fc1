"""Moments: when each part of a model was made, as far as the order counts: in which random numbers were drawn."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import nn

from raynas.nn import is_basic_unit
from raynas.nn.basic_unit import CONTAINERS
from raynas.nn.recording import construction
from raynas.pytorch.constructor import Constructors
from raynas.pytorch.units import draws


class Moments:
    """When the parts of a model were made.

    Args:
        constructors: what the constructors did.
        opaque: modules that are kept whole.
        shared: modules that stand in several places.
        originals: modules of which others may be copies.
    """

    def __init__(
        self,
        constructors: Constructors,
        opaque: Collection[nn.Module],
        shared: Collection[nn.Module],
        originals: Collection[nn.Module],
    ) -> None:
        self._constructors = constructors
        self._opaque = opaque
        self._shared = shared
        self._originals = originals
        self._times: dict[nn.Module, int | None] = {}

    def makes(
        self, module: nn.Module, names: Sequence[str], drawing: Sequence[int] = ()
    ) -> list[tuple[str, int | None]]:
        """The members, and when each took random numbers first, or was given its value; None: that does not matter.

        A list or sequence whose parts were not made in order, or between whose parts something else took random
        numbers, stands for its parts, and behind them for itself.

        Args:
            module: an opened module.
            names: of its members.
            drawing: when steps of its constructor took random numbers, in order.
        """
        found: list[tuple[str, int | None]] = []
        for name in names:
            child = module._modules.get(name)
            if child is None:
                tensor: Any = module._parameters.get(name)
                tensor = tensor if tensor is not None else module._buffers.get(name, module.__dict__.get(name))
                value = self._constructors.value(tensor) if isinstance(tensor, torch.Tensor) else None
                found.append((name, value[1] if value is not None else None))
            else:
                found.append((name, self.first(child)))
        parts = {name: self._parts(module._modules.get(name), name) for name in names}
        if all(len(inner) < 2 for inner in parts.values()):
            return found
        every = sorted(at for inner in parts.values() for _, at in inner if at is not None)
        split: list[tuple[str, int | None]] = []
        for name, index in found:
            times = [at for _, at in parts[name] if at is not None]
            own = sorted(times)
            others = _between(every, own) > _between(own, own) or _between(drawing, own) > 0 if own else False
            if own and (times != own or others):
                split += [*parts[name], (name, own[-1])]
            else:
                split.append((name, index))
        return split

    def _parts(self, module: nn.Module | None, path: str) -> list[tuple[str, int | None]]:
        """What stands in a list or sequence that is written as an expression, and when each part was made."""
        if module is None:
            return []
        if module in self._shared:
            return []
        if type(module) not in CONTAINERS or type(module) is nn.Module:
            return [(path, self.first(module))]
        return [part for name, child in module._modules.items() for part in self._parts(child, f"{path}.{name}")]

    def first(self, module: nn.Module) -> int | None:
        """When the first part of a module was made that took random numbers, or was copied.

        What stands elsewhere, too, is not made with it.
        """
        if module in self._times:
            return self._times[module]
        first = self._own(module)
        for child in module._modules.values():
            if child is not None and child not in self._shared:
                inner = self.first(child)
                if inner is not None and (first is None or inner < first):
                    first = inner
        self._times[module] = first
        return first

    def _own(self, module: nn.Module) -> int | None:
        """The same for a module without its parts."""
        tape, values = self._constructors.tape, self._constructors.values
        if tape is not None and module in tape.copied and module not in self._originals:
            return tape.copied[module]
        call = construction(module)
        times = [timed.index for timed in self._constructors.steps.get(module, ()) if timed.draws]
        if call is not None and (is_basic_unit(type(module)) or module in self._opaque) and draws(module):
            times.append(call.index)
        if values:
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                value = values.get(id(tensor)) if tensor is not None else None
                if value is not None and value[1] is not None:
                    times.append(value[1])
        return min(times, default=None)


def _between(points: Sequence[int], ends: Sequence[int]) -> int:
    """How many of the sorted points lie between the first and the last of others."""
    return bisect_left(points, ends[-1]) - bisect_right(points, ends[0])
