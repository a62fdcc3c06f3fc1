"""Decoder: JSON data back into values."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from raynas.errors import SerializationError
from raynas.search_space.expression import DomainLeaf, Expression, Leaf
from raynas.search_space.kinds import domain_from_json
from raynas.serializer.buffers import Bytes, array_from, tensor_of, unpickled
from raynas.serializer.call import Call
from raynas.serializer.names import allowed

CONTAINERS = {
    *("$list", "$tuple", "$size", "$set", "$frozenset", "$dict", "$slice"),
    *("$call", "$attachment", "$choice", "$expression", "$dataclass"),
}
"""What may hold calls, whose errors are the user's own."""

PURE = {"$PurePosixPath": pathlib.PurePosixPath, "$PureWindowsPath": pathlib.PureWindowsPath}


class Decoder:
    """Turns JSON data back into values.

    Args:
        attachments: what the encoder put aside, from a source that the caller trusts as much as its own code.
        trust: packages and modules, beside torch's and raynas's own, whose classes the data may name.
    """

    def __init__(self, attachments: Mapping[str, Bytes] | None = None, trust: Sequence[str] = ()) -> None:
        self.attachments = attachments or {}
        self.trust = tuple(trust)
        self.made: dict[int, Any] = {}

    def __call__(self, data: Any) -> Any:
        """The value; `SerializationError` where the data names what must not be named, before anything is imported."""
        if isinstance(data, list):
            return [self(item) for item in data]
        if not isinstance(data, dict):
            return data
        if "$same" in data:
            try:
                return self.made[data["$same"]]
            except KeyError:
                raise SerializationError(f"the document refers to part {data['$same']}, which it lacks") from None
        tag = next((key for key in data if key.startswith("$") and key != "$id"), None)
        if tag is None:
            return {key: self(item) for key, item in data.items()}
        try:
            value = self._tagged(tag, data)
        except (KeyError, IndexError, AttributeError, ValueError, TypeError, OverflowError) as error:
            if tag in CONTAINERS:
                raise
            raise SerializationError(f"the document's '{tag}' cannot be read ({error!r})") from error
        if "$id" in data:
            self.made[data["$id"]] = value
        return value

    def _tagged(self, tag: str, data: dict[str, Any]) -> Any:
        inner = data[tag]
        match tag:
            case "$call":
                return self.call(data)()
            case "$name":
                return self.named(inner)
            case "$attachment":
                return self.attachment(data)
            case "$choice":
                if "domain" in data:
                    return DomainLeaf(domain_from_json(data["domain"]), inner)
                return Leaf([self(candidate) for candidate in data["candidates"]], inner)
            case "$expression":
                return Expression(inner, *(self(arg) for arg in data["args"]))
            case "$dataclass":
                return self._dataclass(inner, data["state"])
            case "$list":
                return [self(item) for item in inner]
            case "$tuple":
                return tuple(self(item) for item in inner)
            case "$size":
                return importlib.import_module("torch").Size(self(inner))
            case "$set":
                return {self(item) for item in inner}
            case "$frozenset":
                return frozenset(self(item) for item in inner)
            case "$dict":
                return {self(key): self(item) for key, item in inner}
            case "$slice":
                return slice(*(self(item) for item in inner))
            case "$array":
                return self._array(*inner)
            case "$tensor":
                return self._tensor(data)
        return self._plain(tag, inner)

    def _plain(self, tag: str, inner: Any) -> Any:
        match tag:
            case "$float":
                return float(inner)
            case "$int":
                return int(inner, 16)
            case "$ellipsis":
                return ...
            case "$bytes":
                return bytes(self._bytes(inner))
            case "$bytearray":
                return bytearray(self._bytes(inner))
            case "$complex":
                return complex(*(self(part) for part in inner))
            case "$range":
                return range(*inner)
            case "$enum":
                return self._enum(*inner)
            case "$path":
                return pathlib.Path(inner)
            case "$PurePosixPath" | "$PureWindowsPath":
                return PURE[tag](inner)
            case "$datetime":
                return _folded(datetime.datetime, inner)
            case "$date":
                return datetime.date.fromisoformat(inner)
            case "$time":
                return _folded(datetime.time, inner)
            case "$timedelta":
                return datetime.timedelta(*inner)
            case "$dtype" | "$memory_format" | "$layout":
                torch = importlib.import_module("torch")
                found = getattr(torch, inner, None)
                if isinstance(found, getattr(torch, tag[1:])):
                    return found
            case "$device":
                return importlib.import_module("torch").device(inner)
        raise SerializationError(f"the document holds '{tag}': {str(inner)[:60]!r}, which this version does not know")

    def call(self, data: dict[str, Any]) -> Call:
        """The recorded call that `data` describes, not made."""
        target = self._target(data["$call"])
        args = tuple(self(arg) for arg in data.get("args", ()))
        return Call(target, args, {key: self(arg) for key, arg in data.get("kwargs", {}).items()})

    def _target(self, name: Any) -> Any:
        if isinstance(name, str):
            return self.named(name)
        if isinstance(name, dict) and ("$attachment" in name or "$same" in name):
            return self(name)
        raise SerializationError("the document calls what is neither a name nor an attachment, and is not read further")

    def named(self, name: str) -> Any:
        """What can be imported under `name`, if it may be."""
        return allowed(name, self.trust)

    def attachment(self, data: dict[str, Any]) -> Any:
        """What was pickled."""
        buffers = data.get("buffers", ())
        for name in (data["$attachment"], *buffers):
            self._buffer(name)
        return unpickled(self.attachments[data["$attachment"]], self.attachments, buffers)

    def _buffer(self, name: str) -> Bytes:
        if name not in self.attachments:
            raise SerializationError(
                f"the document needs the attachment '{name}', which is not there: hand over its attachments"
            )
        return self.attachments[name]

    def _bytes(self, inner: Any) -> Bytes:
        return base64.b64decode(inner) if isinstance(inner, str) else self._buffer(inner["buffer"])

    def _array(self, dtype: str, shape: list[int], data: Any, kind: str = "") -> Any:
        array = array_from(self._bytes(data), dtype, shape)
        if kind:
            return array[()]
        return array.copy() if isinstance(data, str) else array

    def _tensor(self, data: dict[str, Any]) -> Any:
        array = self._array(*data["$tensor"]["$array"])
        tensor = tensor_of(array, data.get("dtype", ""), data.get("shape", ()))
        if data.get("parameter"):
            return importlib.import_module("torch").nn.Parameter(tensor, bool(data.get("requires_grad")))
        return tensor.requires_grad_() if data.get("requires_grad") else tensor

    def _enum(self, name: str, member: str | None, value: Any = None) -> Any:
        kind = self.named(name)
        if not isinstance(kind, enum.EnumType):
            raise SerializationError(f"the document takes '{name}' for an enum, which it is not")
        return kind(self(value)) if member is None else kind[member]

    def _dataclass(self, name: Any, state: dict[str, Any]) -> Any:
        kind = self._target(name)
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            raise SerializationError(f"the document takes {kind!r} for a dataclass, which it is not")
        made = object.__new__(kind)
        for key, item in state.items():
            object.__setattr__(made, key, self(item))
        return made


def _folded(kind: Any, inner: Any) -> Any:
    """A time of day, which may be the second one of that name where clocks were put back."""
    return kind.fromisoformat(inner) if isinstance(inner, str) else kind.fromisoformat(inner[0]).replace(fold=inner[1])
