"""State: what Python objects held before a forward was traced, to find out what it changed and to put it back."""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy
import torch
from torch import nn

from raynas.pytorch.proxy import is_traced
from raynas.serializer.call import KEY

DEPTH = 4
"""So deep objects in objects are watched for changes."""

ATOMS = (int, float, complex, str, bytes, bool, type(None))
FIXED = frozenset(ATOMS)
VALUES = (*ATOMS, list, dict, set, deque)
SEQUENCES = (list, deque, tuple)
UNKNOWN = (nn.Module, types.ModuleType)
STATEFUL = frozenset({"argparse", "collections", "dataclasses", "types", "__main__"})
"""Modules of Python's own whose objects are watched."""

FOREIGN = ("torch", "numpy", "einops", "raynas")
TORCHS = frozenset({*nn.Module().__dict__, KEY})
"""Attributes that every module has, and that of its record."""


def is_foreign(cls: Any) -> bool:
    """Whether a class or function is Python's, torch's, NumPy's, einops' or ours, whose state no forward reads."""
    return _is_foreign(getattr(cls, "__module__", None) or "")


@lru_cache(maxsize=4096)
def _is_foreign(module: str) -> bool:
    top = module.partition(".")[0]
    return top in FOREIGN or (top in sys.stdlib_module_names and top not in STATEFUL)


class Watch:
    """What a module holds beside its tensors and children, and what its code reaches elsewhere, as it is now.

    Args:
        module: whose forward is about to be traced.
        places: functions that give the objects that its code reaches.
        below: whether the modules below it are watched, too.
    """

    def __init__(self, module: nn.Module, places: tuple[Callable[[], Any], ...], below: bool = False) -> None:
        self.module = module
        self.places = places
        self.own = {name: value for name, value in module.__dict__.items() if name not in TORCHS}
        self.held = [name for name, value in self.own.items() if not _is_fixed(value)]
        self.before = self._now()
        self._is_same = False
        inner = list(module.named_modules())[1:] if below else ()
        self.below = {path: Watch(child, ()) for path, child in inner if not is_foreign(type(child))}

    def changed_below(self) -> str:
        """What was changed in a module below, in words; empty where nothing was."""
        for path, watch in self.below.items():
            if watch.changed():
                return f"changes what '{path}' keeps"
        return ""

    def _now(self) -> list[Any]:
        return [copied(value) for value in [*map(self.own.get, self.held), *(place() for place in self.places)]]

    def changed(self) -> str:
        """What was changed since, in words; empty where nothing was."""
        now = self.module.__dict__
        for name, value in self.own.items():
            if now.get(name, self) is not value:
                return f"sets self.{name} in forward"
        for name in now:
            if name not in TORCHS and name not in self.own and not isinstance(now[name], ATOMS):
                return f"keeps self.{name} from one call to the next"
        after = self._now()
        self._is_same = after == self.before
        if self._is_same:
            return ""
        place = next(i for i, (left, right) in enumerate(zip(self.before, after, strict=True)) if left != right)
        if place < len(self.held):
            return f"changes a list, dict or object of its own: self.{self.held[place]}"
        return f"changes what outlives the call: {_described(self.places[place - len(self.held)]())}"

    def undo(self) -> None:
        """Put everything back."""
        now = self.module.__dict__
        for name in [name for name in now if name not in TORCHS and name not in self.own]:
            del now[name]  # of a cached property
        now.update(self.own)
        for item in () if self._is_same else self.before:
            put_back(item)
        for watch in self.below.values():
            watch.undo()


def shared(modules: Mapping[str, nn.Module]) -> dict[int, list[tuple[str, str]]]:
    """Lists, dicts and objects that several modules keep: by object, where each of them keeps it, and as what."""
    found: dict[int, list[tuple[str, str]]] = {}
    for path, module in modules.items():
        for name, value in module.__dict__.items():
            if name in TORCHS or type(value) in FIXED:
                continue
            if isinstance(value, (*ATOMS, tuple, torch.Tensor)) or _parts(value) is None:
                continue
            found.setdefault(id(value), []).append((path, name))
    return {item: places for item, places in found.items() if len(places) > 1}


def is_record(value: Any) -> bool:
    """Whether an object changes only by having its attributes set: a configuration of plain values, with no methods."""
    if isinstance(value, (*SEQUENCES, dict, set, bytearray, numpy.ndarray, torch.Tensor, types.FunctionType)):
        return False
    own = [item for cls in type(value).__mro__ if not is_foreign(cls) for item in vars(cls).items()]
    if any(callable(item) and not name.startswith("__") for name, item in own):
        return False
    parts = _parts(value)
    return parts is not None and all(_is_fixed(part) for _, part in parts)


def is_table(value: Any) -> bool:
    """Whether it is a dict of values that cannot change."""
    return isinstance(value, dict) and all(map(_is_fixed, value.values()))


def _is_fixed(value: Any) -> bool:
    """Whether an object cannot change, whatever is done with it."""
    return type(value) in FIXED or (type(value) is tuple and all(map(_is_fixed, value)))


def copied(value: Any, depth: int = 0) -> Any:
    """What an object holds, in a form that is compared by contents and can be put back."""
    if type(value) in FIXED or is_traced(value):
        return Same(value)
    parts = _parts(value) if depth < DEPTH else None
    if parts is None:
        return Same(value)
    kept = value.detach().clone() if isinstance(value, torch.Tensor) else None
    return Held(value, [(key, copied(part, depth + 1)) for key, part in parts], kept)


@dataclass(frozen=True, eq=False)
class Same:
    """An object that does not change, or cannot be looked into."""

    item: Any

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Same):
            return False
        return self.item is other.item or (
            isinstance(self.item, ATOMS) and type(self.item) is type(other.item) and bool(self.item == other.item)
        )

    __hash__ = None  # type: ignore[assignment]  # never a key


@dataclass(frozen=True, eq=False)
class Held:
    """An object that can change, and what it held."""

    item: Any
    parts: list[tuple[Any, Any]]
    values: Any = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Held) or other.item is not self.item or len(self.parts) != len(other.parts):
            return False
        return all(
            (left is right or (isinstance(left, ATOMS) and left == right)) and one == two
            for (left, one), (right, two) in zip(self.parts, other.parts, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]  # never a key


def _parts(value: Any) -> list[tuple[Any, Any]] | None:
    """Parts of an object that can change, by key; None for one that does not, or that nothing is known of."""
    if isinstance(value, UNKNOWN):
        return None
    if isinstance(value, type):
        return None if is_foreign(value) else list(_class_values(value))
    if isinstance(value, torch.Tensor):
        return [("version", value._version)]
    if isinstance(value, SEQUENCES):
        return list(enumerate(value))
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, set):
        return [(item, item) for item in value]
    if isinstance(value, bytearray):
        return [("bytes", bytes(value))]
    if isinstance(value, numpy.ndarray):
        return [("bytes", value.tobytes())]
    if isinstance(value, types.FunctionType):
        cells = [(cell, cell.cell_contents) for cell in value.__closure__ or () if _is_filled(cell)]
        own = [(name, item) for name, item in vars(value).items() if name != "__wrapped__"]
        return None if is_foreign(value) else [*cells, *own, *enumerate(value.__defaults__ or ())]
    if isinstance(value, types.CellType):
        return [(value, value.cell_contents)] if _is_filled(value) else None
    if isinstance(value, types.MethodType):
        return [("self", value.__self__), ("function", value.__func__)]
    return None if is_foreign(type(value)) else list(_attributes(value))


def _class_values(cls: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(cls).items():
        if not name.startswith("__") and isinstance(value, VALUES):
            yield name, value


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of an object of a user's class, those in slots included."""
    own = getattr(value, "__dict__", None)
    if type(own) is dict:
        yield from own.items()
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if isinstance(getattr(cls, name, None), types.MemberDescriptorType) and hasattr(value, name):
                yield name, getattr(value, name)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def put_back(held: Any) -> None:
    """Give an object what it held."""
    if not isinstance(held, Held):
        return
    if copied(held.item) != held:
        _restore(held)
    for _, part in held.parts:
        put_back(part)


def _restore(held: Held) -> None:
    item, parts = held.item, [(key, part.item) for key, part in held.parts]
    if isinstance(item, torch.Tensor):
        with torch.no_grad():
            item.copy_(held.values)
    elif isinstance(item, list):
        item[:] = [value for _, value in parts]
    elif isinstance(item, deque | set):
        item.clear()
        (item.extend if isinstance(item, deque) else item.update)([value for _, value in parts])
    elif isinstance(item, dict):
        item.clear()
        item.update(parts)
    elif isinstance(item, bytearray):
        item[:] = parts[0][1]
    elif isinstance(item, numpy.ndarray):
        item[...] = numpy.frombuffer(parts[0][1], dtype=item.dtype).reshape(item.shape)
    elif isinstance(item, type):
        _put_attributes(item, parts, [name for name, _ in _class_values(item)])
    elif isinstance(item, types.FunctionType | types.CellType):
        for key, value in parts:
            if isinstance(key, types.CellType):
                key.cell_contents = value
        if isinstance(item, types.FunctionType):
            vars(item).update({key: value for key, value in parts if isinstance(key, str)})
    elif not isinstance(item, tuple | types.MethodType):
        _put_attributes(item, parts, [name for name, _ in _attributes(item)])


def _put_attributes(item: Any, parts: list[tuple[str, Any]], now: list[str]) -> None:
    put = type.__setattr__ if isinstance(item, type) else object.__setattr__
    take = type.__delattr__ if isinstance(item, type) else object.__delattr__
    for name in now:
        if name not in dict(parts):
            take(item, name)
    for name, value in parts:
        put(item, name, value)


def _described(value: Any) -> str:
    name = getattr(value, "__qualname__", None)
    return f"{name}" if name else f"a {type(value).__name__}"
