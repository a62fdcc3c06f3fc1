"""Encoder: values as JSON data. What JSON lacks stands as a dict with a key that begins with `$`."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import inspect
import math
import pathlib
import sys
import types
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from raynas.errors import SerializationError
from raynas.search_space.expression import DomainLeaf, Expression, Leaf, leaves
from raynas.serializer.buffers import INLINE, array_of, is_plain_array, is_plain_dtype, is_plain_tensor, pickled, put
from raynas.serializer.call import Call, call_of
from raynas.serializer.names import parameter, qualified_name

CALLS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    OrderedDict: lambda value: (list(value.items()),),
    defaultdict: lambda value: (value.default_factory, list(value.items())),
    Counter: lambda value: (dict(value),),
    deque: lambda value: (list(value), value.maxlen),
    decimal.Decimal: lambda value: (str(value),),
    fractions.Fraction: lambda value: (str(value),),
    uuid.UUID: lambda value: (str(value),),
    datetime.timezone: lambda value: (value.utcoffset(None),),
    zoneinfo.ZoneInfo: lambda value: (value.key,),
    functools.partial: lambda value: (value.func, *value.args),
    types.SimpleNamespace: lambda value: (),
}
"""Python's own kinds that are written as a call: the arguments of that call."""

DATASETS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "TensorDataset": lambda value: value.tensors,
    "Subset": lambda value: (value.dataset, value.indices),
    "ConcatDataset": lambda value: (value.datasets,),
}
"""The same for torch's datasets that only hold others or tensors."""

KEYWORDS: dict[type, Callable[[Any], dict[str, Any]]] = {
    functools.partial: lambda value: value.keywords,
    types.SimpleNamespace: vars,
}


class Encoder:
    """Turns values into JSON data.

    Args:
        attachments: takes, by name, the bytes of large arrays, and as cloudpickle bytes what has neither a recorded
            call nor a form of its own; None: arrays stand in the data, and anything else is refused.
        by_value: modules whose classes and functions cannot be imported elsewhere and so become attachments.
        repeated: ids of lists, arrays and the like that stand in the value more than once, and are to stay one.
    """

    def __init__(
        self,
        attachments: dict[str, Any] | None = None,
        by_value: Sequence[str] = ("__main__",),
        repeated: Iterable[int] = (),
    ) -> None:
        self.attachments = attachments
        self.by_value = by_value
        self._repeated = frozenset(repeated)
        self.notices: list[str] = []  # what became a pickle
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def __call__(self, value: Any, path: str = "") -> Any:
        """JSON data for `value`; `path` names it in errors."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if abs(value) < 1 << 128 else {"$int": hex(value)}  # Python limits how long a decimal may be
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, Expression):
            return self._expression(value, path)
        if isinstance(value, Call):
            return self._call(value, path)
        call = call_of(value) if not isinstance(value, type) else None
        if call is not None:
            return self._shared(value, lambda: self._call(call, path))
        if id(value) in self._repeated:
            return self._shared(value, lambda: self._tagged(value, path))
        form = self._form(value, path)
        return form if form is not None else self._attach(value, path)

    def _tagged(self, value: Any, path: str) -> dict[str, Any]:
        """A form that is a dict with a tag, so that a number can stand beside it."""
        form = self._form(value, path)
        if form is None:
            return self._pickled(value, path)
        if type(value) is dict and "$dict" not in form:
            return {"$dict": [[key, item] for key, item in form.items()]}
        return {"$list": form} if type(form) is list else form

    def _form(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is list:
            return [self(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self(item, f"{path}[{key!r}]") for key, item in value.items()}
        if kind is dict:
            return {"$dict": [[self(k, path), self(item, f"{path}[{k!r}]")] for k, item in value.items()]}
        if kind in (tuple, set, frozenset) or (kind.__name__ == "Size" and kind.__module__ == "torch"):
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            return {f"${kind.__name__.lower()}": [self(item, f"{path}[{i}]") for i, item in enumerate(items)]}
        if kind is slice:
            return {"$slice": [self(item, path) for item in (value.start, value.stop, value.step)]}
        if isinstance(value, enum.Enum):
            return self._enum(value, path)
        return self._plain(value, path)

    def _plain(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is ...:
            return {"$ellipsis": True}
        if kind in (bytes, bytearray):
            return {f"${kind.__name__}": self._bytes(value)}
        if kind is complex:
            return {"$complex": [self(value.real), self(value.imag)]}
        if kind is range:
            return {"$range": [value.start, value.stop, value.step]}
        if isinstance(value, pathlib.PurePath):
            name = "path" if isinstance(value, pathlib.Path) else kind.__name__
            return {f"${name}": str(value)}
        if kind in (datetime.datetime, datetime.date, datetime.time):
            zone = getattr(value, "tzinfo", None)
            fixed = zone is None or isinstance(zone, datetime.timezone)
            text, fold = value.isoformat(), getattr(value, "fold", 0)
            if isinstance(zone, zoneinfo.ZoneInfo) and zone.key and kind is datetime.datetime:
                return self._call(Call(kind, (*value.timetuple()[:6], value.microsecond, zone), {"fold": fold}), path)
            return {f"${kind.__name__}": [text, fold] if fold else text} if fixed else None
        if kind is datetime.timedelta:
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        if kind.__module__ == "torch" and kind.__name__ in ("dtype", "device", "memory_format", "layout"):
            return {f"${kind.__name__}": str(value).removeprefix("torch.")}
        if is_plain_dtype(value):
            return self._call(Call(sys.modules["numpy"].dtype, (value.str,)), path)
        if is_plain_array(value):
            return self._array(value)
        if is_plain_tensor(value):
            return self._tensor(value)
        if kind.__module__ == "torch.utils.data.dataset" and kind.__name__ in DATASETS:
            return self._call(Call(kind, DATASETS[kind.__name__](value)), path)
        if kind in CALLS:
            kwargs = KEYWORDS[kind](value) if kind in KEYWORDS else {}
            return self._call(Call(kind, CALLS[kind](value), kwargs), path)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return self._call(Call(kind, tuple(value)), path)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, path)
        if isinstance(value, type) or (callable(value) and not _bound(value)):
            return self._named(value)
        return None

    def _named(self, value: Any) -> Any:
        try:
            name = self._name(value)
        except SerializationError:
            return None
        return None if name.partition(".")[0] in self.by_value else {"$name": name}

    def _bytes(self, data: Any) -> Any:
        if self.attachments is not None and len(data) > INLINE:
            return {"buffer": put(self.attachments, data)}
        return base64.b64encode(data).decode()

    def _array(self, value: Any) -> dict[str, Any]:
        import numpy

        array = numpy.ascontiguousarray(value)
        scalar = isinstance(value, numpy.generic)
        large = self.attachments is not None and array.nbytes > INLINE
        data = self._bytes(array.reshape(-1).view("u1").data if large else array.tobytes())
        return {"$array": [array.dtype.str, list(value.shape), data, *(["scalar"] if scalar else [])]}

    def _tensor(self, value: Any) -> dict[str, Any]:
        array, dtype = array_of(value)
        return {
            "$tensor": self._array(array),
            **({"dtype": dtype, "shape": list(value.shape)} if dtype else {}),
            **({"requires_grad": True} if value.requires_grad else {}),
            **({"parameter": True} if type(value).__name__ == "Parameter" else {}),
        }

    def _enum(self, value: enum.Enum, path: str) -> Any:
        kind = type(value)
        named = self._named(kind)
        if named is None:
            return None
        if value.name in kind.__members__:
            return {"$enum": [named["$name"], value.name]}
        return {"$enum": [named["$name"], None, self(value.value, path)]}

    def _dataclass(self, value: Any, path: str) -> dict[str, Any]:
        names = [item.name for item in dataclasses.fields(value) if hasattr(value, item.name)]
        state = {**{name: getattr(value, name) for name in names}, **getattr(value, "__dict__", {})}
        kind = type(value)
        named = self._named(kind)
        target = self._attach(kind, path) if named is None else named["$name"]
        return {"$dataclass": target, "state": {name: self(item, f"{path}.{name}") for name, item in state.items()}}

    def _call(self, call: Call, path: str) -> Any:
        named = self._named(call.target)
        target = self._attach(call.target, path) if named is None else named["$name"]
        args = [self(arg, f"{path}.{parameter(call.target, i)}") for i, arg in enumerate(call.args)]
        kwargs = {key: self(arg, f"{path}.{key}") for key, arg in call.kwargs.items()}
        return {"$call": target, **({"args": args} if args else {}), **({"kwargs": kwargs} if kwargs else {})}

    def _expression(self, value: Expression, path: str) -> Any:
        if isinstance(value, DomainLeaf):
            return {"$choice": value.label, "domain": value.of.to_json()}
        if isinstance(value, Leaf):
            candidates = [self(candidate, path) for candidate in value.candidates]
            return {"$choice": value.label, "candidates": candidates, "tokens": [self(token) for token in value.tokens]}
        return {"$expression": value.function, "args": [self(arg, path) for arg in value.args]}

    def _shared(self, value: Any, encode: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if id(value) in self._numbers:
            return {"$same": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)  # an id means its object only while that object lives
        return {"$id": number, **encode()}

    def _name(self, target: Any) -> str:
        if isinstance(target, type) and target.__module__ == "builtins":
            return target.__qualname__
        return qualified_name(target)

    def _attach(self, value: Any, path: str) -> dict[str, Any]:
        return self._shared(value, lambda: self._pickled(value, path))

    def _pickled(self, value: Any, path: str) -> dict[str, Any]:
        kind = value.__qualname__ if isinstance(value, type) else type(value).__qualname__
        where = path.lstrip(".") or kind
        if self.attachments is None:
            if inspect.isroutine(value):
                name = value.__qualname__
                raise SerializationError(
                    f"the function {name} cannot be imported under a name: define it at the top level of a module"
                )
            raise SerializationError(
                f"{where} is a {kind}, of which nobody recorded how it was made: "
                f"make it with raynas.serialize({kind}, …) or put @raynas.serialize_cls on the class"
            )
        choice = _choice_in(value)
        if choice is not None:
            raise SerializationError(
                f"{where}{'' if where == kind else f' ({kind})'} holds the choice {choice.label or choice!r}, which no "
                f"search could make, because nobody recorded that it was given one: {_recorded(value, kind)}"
            )
        try:
            data, buffers = pickled(value, self.attachments)
        except Exception as error:
            reason = " ".join(str(error).split())
            raise SerializationError(
                f"{where} is a {kind}, which cannot be pickled ({reason}): make it with raynas.serialize({kind}, …)"
            ) from error
        number = sum(not name.startswith("data-") for name in self.attachments)
        name = f"{number}-{kind}"
        self.attachments[name] = data
        size = len(data) + sum(len(self.attachments[buffer]) for buffer in buffers)
        self.notices.append(
            f"{where} ({kind}, {size:,} bytes) travels as a pickle, because "
            + ("nobody recorded how it was made" if not callable(value) else "it cannot be imported under a name")
            + f": {_cure(value, kind)}"
        )
        origin = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', '<')}"
        return {
            "$attachment": name,
            **({"buffers": buffers} if buffers else {}),
            **({"of": origin} if callable(value) and "<" not in origin else {}),
        }


def _choice_in(value: Any) -> Leaf | None:
    try:
        return next(leaves(_held(value)), None)
    except (RecursionError, ValueError):  # a list that holds itself; a variable that has no value yet
        return None


def _held(value: Any) -> Any:
    """What an object keeps, or what a function finds outside itself."""
    if inspect.isfunction(value):
        outside = inspect.getclosurevars(value)
        return [*outside.nonlocals.values(), *outside.globals.values(), *(value.__defaults__ or ())]
    owner = getattr(value, "__self__", value)
    return {} if isinstance(owner, type) else dict(getattr(owner, "__dict__", {}))


def _recorded(value: Any, kind: str) -> str:
    if inspect.isfunction(value):
        return f"pass it as an argument, raynas.FunctionalEvaluator({value.__name__}, name=choice)"
    return f"put @raynas.serialize_cls on the class, or make it with raynas.serialize({kind}, …)"


def _cure(value: Any, kind: str) -> str:
    if getattr(value, "__name__", "") == "<lambda>":
        return "define it with def in a module"
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return "that will do; in a module of its own it would be imported instead"
    return f"make it with raynas.serialize({kind}, …)"


def _bound(value: Any) -> bool:
    """Whether it is a method of an object, which is more than a name."""
    owner = getattr(value, "__self__", None)
    return owner is not None and not isinstance(owner, type | types.ModuleType)
