"""Values as JSON data: what JSON lacks stands as a dict with one key that begins with `$`."""

from __future__ import annotations

import base64
import datetime
import enum
import importlib
import math
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cloudpickle

from raynas.errors import SerializationError, notice
from raynas.search_space.expression import DomainLeaf, Expression, Leaf
from raynas.search_space.kinds import domain_from_json
from raynas.serializer.call import RECORDED, Call, call_of

TRUSTED = ("torch.nn", "torch.optim", "torch.utils.data", "raynas")
"""Packages whose classes a document may always name."""

BUILTINS = {"int", "float", "bool", "str", "bytes", "list", "tuple", "dict", "set", "frozenset", "complex", "object"}


def qualified_name(target: Any) -> str:
    """The name under which `target` can be imported; `SerializationError` where there is none."""
    name = getattr(target, "__qualname__", "")
    module = getattr(target, "__module__", None) or ""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not name or found is not target:
        raise SerializationError(f"{target!r} cannot be imported under a name: define it at the top level of a module")
    return f"{module}.{name}"


class Encoder:
    """Turns values into JSON data.

    Args:
        attachments: takes what has neither a recorded call nor a form of its own, as cloudpickle bytes by name; None:
            such a value is refused.
        by_value: modules whose classes and functions cannot be imported elsewhere and so become attachments.
    """

    def __init__(self, attachments: dict[str, bytes] | None = None, by_value: Sequence[str] = ("__main__",)) -> None:
        self.attachments = attachments
        self.by_value = by_value
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def __call__(self, value: Any, path: str = "") -> Any:
        """JSON data for `value`; `path` names it in errors."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, Expression):
            return self._expression(value, path)
        if isinstance(value, Call):
            return self._call(value, path)
        call = call_of(value) if not isinstance(value, type) else None
        if call is not None:
            return self._shared(value, lambda: self._call(call, path))
        form = self._form(value, path)
        return form if form is not None else self._attach(value, path)

    def _form(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind is list:
            return [self(item, f"{path}[{i}]") for i, item in enumerate(value)]
        if kind is dict and all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: self(item, f"{path}[{key!r}]") for key, item in value.items()}
        if kind is dict:
            return {"$dict": [[self(k, path), self(item, f"{path}[{k!r}]")] for k, item in value.items()]}
        if kind in (tuple, set, frozenset) or (kind.__name__ == "Size" and kind.__module__ == "torch"):
            items = sorted(value, key=repr) if kind in (set, frozenset) else value
            tag = kind.__name__ if kind in (tuple, set, frozenset) else "tuple"
            return {f"${tag}": [self(item, f"{path}[{i}]") for i, item in enumerate(items)]}
        if kind is slice:
            return {"$slice": [self(item, path) for item in (value.start, value.stop, value.step)]}
        if value is ...:
            return {"$ellipsis": True}
        if kind is bytes:
            return {"$bytes": base64.b64encode(value).decode()}
        if kind is complex:
            return {"$complex": [value.real, value.imag]}
        if kind is range:
            return {"$range": [value.start, value.stop, value.step]}
        if isinstance(value, enum.Enum):
            return {"$enum": [self._name(kind, path), value.name]}
        if isinstance(value, pathlib.PurePath):
            return {"$path": str(value)}
        if kind in (datetime.datetime, datetime.date):
            return {f"${kind.__name__}": value.isoformat()}
        if kind is datetime.timedelta:
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        if kind.__module__ == "torch" and kind.__name__ in ("dtype", "device", "memory_format", "layout"):
            return {f"${kind.__name__}": str(value).removeprefix("torch.")}
        if kind.__module__.partition(".")[0] == "numpy":
            return self._array(value)
        if (kind.__module__ == "torch" and kind.__name__ == "Tensor") or kind.__name__ == "Parameter":
            return None if value.requires_grad else {"$tensor": self._array(value.detach().cpu().numpy())}
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__") and not _bound(value)):
            try:
                name = self._name(value, path)
            except SerializationError:
                return None
            return None if name.partition(".")[0] in self.by_value else {"$name": name}
        return None

    def _array(self, value: Any) -> Any:
        import numpy

        array = numpy.asarray(value)
        if array.dtype.hasobject:
            return None
        data = base64.b64encode(numpy.ascontiguousarray(array).tobytes()).decode()
        scalar = isinstance(value, numpy.generic)
        return {"$array": [array.dtype.str, list(array.shape), data, *(["scalar"] if scalar else [])]}

    def _call(self, call: Call, path: str) -> Any:
        try:
            name = self._name(call.target, path)
        except SerializationError:
            name = None
        target = name if name and name.partition(".")[0] not in self.by_value else self._attach(call.target, path)
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

    def _shared(self, value: Any, encode: Callable[[], Any]) -> Any:
        if id(value) in self._numbers:
            return {"$same": self._numbers[id(value)]}
        number = self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)  # an id means its object only while that object lives
        return {"$id": number, **encode()}

    def _name(self, target: Any, path: str) -> str:
        if isinstance(target, type) and target.__module__ == "builtins":
            return target.__qualname__
        return qualified_name(target)

    def _attach(self, value: Any, path: str) -> Any:
        kind = value.__qualname__ if isinstance(value, type) else type(value).__qualname__
        where = path.lstrip(".") or kind
        if self.attachments is None:
            raise SerializationError(
                f"{where} is a {kind}, of which nobody recorded how it was made: "
                f"make it with raynas.serialize({kind}, …) or put @raynas.serialize_cls on the class"
            )

        def pickled() -> Any:
            try:
                data = cloudpickle.dumps(value)
            except Exception as error:
                raise SerializationError(
                    f"{where} is a {kind}, which cannot be pickled ({error}): make it with raynas.serialize({kind}, …)"
                ) from error
            assert self.attachments is not None
            name = f"{len(self.attachments)}-{kind}"
            self.attachments[name] = data
            nameless = getattr(value, "__name__", "") == "<lambda>"
            if nameless or not (isinstance(value, type) or callable(value)):
                cure = "define it with def in a module" if nameless else f"make it with raynas.serialize({kind}, …)"
                notice(
                    f"{where} ({kind}, {len(data):,} bytes) travels as a pickle, because nobody recorded how it was "
                    f"made: {cure}"
                )
            return {"$attachment": name}

        return self._shared(value, pickled)


class Decoder:
    """Turns JSON data back into values.

    Args:
        attachments: what the encoder put aside, from a source that the caller trusts as much as its own code.
        trust: packages and modules, beside torch's and raynas's own, whose classes the data may name.
    """

    def __init__(self, attachments: Mapping[str, bytes] | None = None, trust: Sequence[str] = ()) -> None:
        self.attachments = attachments or {}
        self.trust = (*TRUSTED, *trust)
        self._made: dict[int, Any] = {}

    def __call__(self, data: Any) -> Any:
        """The value; `SerializationError` where the data names what must not be named, before anything is imported."""
        if isinstance(data, list):
            return [self(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "$same" in data:
            return self._made[data["$same"]]
        tag = next((key for key in data if key.startswith("$") and key != "$id"), None)
        value = {key: self(item) for key, item in data.items()} if tag is None else self._tagged(tag, data)
        if "$id" in data:
            self._made[data["$id"]] = value
        return value

    def _tagged(self, tag: str, data: dict[str, Any]) -> Any:
        inner = data[tag]
        match tag:
            case "$call":
                return self.call(data)()
            case "$name":
                return self.named(inner)
            case "$attachment":
                return self._attachment(inner)
            case "$choice":
                if "domain" in data:
                    return DomainLeaf(domain_from_json(data["domain"]), inner)
                return Leaf([self(candidate) for candidate in data["candidates"]], inner)
            case "$expression":
                return Expression(inner, *(self(arg) for arg in data["args"]))
            case "$float":
                return float(inner)
            case "$tuple":
                return tuple(self(item) for item in inner)
            case "$set":
                return {self(item) for item in inner}
            case "$frozenset":
                return frozenset(self(item) for item in inner)
            case "$dict":
                return {self(key): self(item) for key, item in inner}
            case "$slice":
                return slice(*(self(item) for item in inner))
            case "$ellipsis":
                return ...
            case "$bytes":
                return base64.b64decode(inner)
            case "$complex":
                return complex(*inner)
            case "$range":
                return range(*inner)
            case "$enum":
                return self.named(inner[0])[inner[1]]
            case "$path":
                return pathlib.Path(inner)
            case "$datetime":
                return datetime.datetime.fromisoformat(inner)
            case "$date":
                return datetime.date.fromisoformat(inner)
            case "$timedelta":
                return datetime.timedelta(*inner)
            case "$dtype" | "$memory_format" | "$layout":
                return getattr(importlib.import_module("torch"), inner)
            case "$device":
                return importlib.import_module("torch").device(inner)
            case "$array":
                return _array(*inner)
            case "$tensor":
                return importlib.import_module("torch").from_numpy(_array(*inner["$array"]).copy())
        raise SerializationError(f"the document holds '{tag}', which this version does not know")

    def call(self, data: dict[str, Any]) -> Call:
        """The recorded call that `data` describes, not made."""
        target = data["$call"]
        function = self.named(target) if isinstance(target, str) else self(target)
        args = tuple(self(arg) for arg in data.get("args", ()))
        return Call(function, args, {key: self(arg) for key, arg in data.get("kwargs", {}).items()})

    def named(self, name: str) -> Any:
        """What can be imported under `name`, if it may be."""
        if name in BUILTINS:
            return getattr(importlib.import_module("builtins"), name)
        if name not in RECORDED and not any(name == root or name.startswith(f"{root}.") for root in self.trust):
            raise SerializationError(
                f"the document names '{name}', which is not trusted: pass trust=['{name.rpartition('.')[0]}'] "
                "if you know where the document comes from"
            )
        return imported(name)

    def _attachment(self, name: str) -> Any:
        try:
            data = self.attachments[name]
        except KeyError:
            raise SerializationError(
                f"the document needs the attachment '{name}', which is not there: hand over its attachments"
            ) from None
        return cloudpickle.loads(data)


def imported(name: str) -> Any:
    """The class or function with this qualified name."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                continue
            raise
        try:
            for part in parts[cut:]:
                found = getattr(found, part)
        except AttributeError:
            break
        return found
    raise SerializationError(f"'{name}' cannot be imported here: is its module on the path, under the same name?")


def _array(dtype: str, shape: list[int], data: str, kind: str = "") -> Any:
    import numpy

    array = numpy.frombuffer(base64.b64decode(data), dtype=numpy.dtype(dtype)).reshape(shape)
    return array[()] if kind else array.copy()


def _bound(value: Any) -> bool:
    return getattr(value, "__self__", None) is not None and not isinstance(value.__self__, type(sys))


def parameter(target: Any, position: int) -> str:
    import inspect

    try:
        return list(inspect.signature(target).parameters)[position]
    except (IndexError, TypeError, ValueError):
        return f"args[{position}]"
