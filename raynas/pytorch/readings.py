"""Readings: what the code of a model's modules says, and which of them cannot be traced for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from raynas.nn import is_basic_unit
from raynas.pytorch.changes import HOOKS
from raynas.pytorch.reading import Reading, classes_in, overridden, read, read_function
from raynas.pytorch.reasons import can_be_whole, commonpath, forward_of, located
from raynas.pytorch.stand_ins import Use
from raynas.pytorch.state import TORCHS, is_record, is_table, shared
from raynas.pytorch.suspects import functions_in, is_source


class Readings:
    """What was read of a model's modules.

    Args:
        modules: the model's, by path.
    """

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._modules = modules
        opened = [module for module in modules.values() if not is_basic_unit(type(module))]
        self._others = classes_in(item for module in opened for item in (module, *_own(module)))

    def of(self, module: nn.Module) -> Reading:
        """Of a module's class."""
        cls: Any = type(module)
        return read(cls, self._others)

    def _own(self, function: Any, module: nn.Module) -> Reading:
        return read_function(function, type(module), self._others)

    def why(self, module: nn.Module) -> str:
        """Why a module's forward, or a function that it keeps, cannot be traced; empty where nothing is found."""
        cls: Any = type(module)
        reading = self.of(module)
        if reading.why:
            return reading.why
        if why := _hooked(module) or overridden(cls):
            return located(why, module)
        for name, value in module.__dict__.items():
            if name in TORCHS or name not in reading.words:
                continue
            if is_source(value):
                return located(f"uses the {type(value).__name__} self.{name}", module)
            for function in functions_in(value):
                if why := self._own(function, module).why:
                    return why
        return self._own(forward_of(module), module).why if "forward" in module.__dict__ else ""

    def places(self, module: nn.Module) -> tuple[Callable[[], Any], ...]:
        """Functions that give the objects outside a module that its code reaches."""
        reading = self.of(module)
        found = list(reading.places)
        for name, value in module.__dict__.items():
            if name in reading.words and name not in TORCHS:
                found += [place for function in functions_in(value) for place in self._own(function, module).places]
        return tuple(found)

    def uses(self, module: nn.Module) -> tuple[Use, ...]:
        """Where its code, and functions that it keeps, name builtins that make numbers."""
        reading = self.of(module)
        found = list(reading.uses)
        for name, value in module.__dict__.items():
            if name in reading.words and name not in TORCHS:
                found += [use for function in functions_in(value) for use in self._own(function, module).uses]
        return tuple(found)

    def changed_by_units(self, opaque: Mapping[nn.Module, str]) -> dict[nn.Module, str]:
        """What is around a module that is kept whole and may change a list or object that others keep, too; and why.

        Each would have one of its own otherwise.
        """
        found: dict[nn.Module, str] = {}
        modules = self._modules
        inside = {part: path for path, module in modules.items() if module in opaque for part in module.modules()}
        for places in shared(modules).values() if inside else ():
            for path, name in places:
                whole = inside.get(modules[path])
                others = [other for other, _ in places if whole is None or not f"{other}.".startswith(f"{whole}.")]
                reading = self.of(modules[path])
                value = vars(modules[path])[name]
                changes = reading.sets if is_record(value) else reading.fills if is_table(value) else reading.changes
                if whole is None or not others or not (changes and name in reading.words):
                    continue
                common = commonpath([whole, *others])
                around = modules[common]
                while not can_be_whole(around):
                    common = common.rpartition(".")[0]
                    around = modules[common]
                why = located(f"changes self.{name}, which '{others[0] or 'the model'}' keeps, too", modules[path])
                found.setdefault(around, why)
        return found


def _own(module: nn.Module) -> list[Any]:
    return [value for name, value in module.__dict__.items() if name not in TORCHS]


def _hooked(module: nn.Module) -> str:
    for kind in HOOKS:
        if module.__dict__.get(kind):
            return f"has {kind.strip('_').replace('_', ' ')}"
    return "has parametrizations" if "parametrizations" in module._modules else ""
