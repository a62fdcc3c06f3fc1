"""Source: a document's values as Python expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from raynas.errors import SerializationError
from raynas.serializer.decoder import Decoder

SMALL = 100
"""Larger arrays do not stand in the text."""

PLAIN = {
    *("$float", "$int", "$bytes", "$bytearray", "$complex", "$range", "$ellipsis"),
    *("$path", "$PurePosixPath", "$PureWindowsPath", "$datetime", "$date", "$time", "$timedelta"),
}


class Source:
    """Writes the values of a document, whose choices are made.

    Attributes:
        imports: what the expressions need, as the names that they use and what is imported under them.
        lines: assignments to be run first: of what stands in several places.
        arrays: large arrays by name; the expressions find them in the mapping `DATA`.

    Args:
        document: all of the document's data.
        decode: makes arrays and plain values of data.
        is_module: whether there is a module of a name.
        taken: names that have another meaning where the expressions will stand.
    """

    def __init__(self, document: Any, decode: Decoder, is_module: Callable[[str], bool], taken: set[str]) -> None:
        self.imports: dict[str, str] = {}
        self.lines: list[str] = []
        self.arrays: dict[str, Any] = {}
        self._decode = decode
        self._is_module = is_module
        self._taken = taken
        self._several = _referred(document)
        self._variables: dict[int, str] = {}

    def __call__(self, data: Any, path: str) -> str:
        """The expression for `data`; `SerializationError` where there is none, naming the path."""
        if isinstance(data, list):
            return f"[{', '.join(self(item, f'{path}[{i}]') for i, item in enumerate(data))}]"
        if not isinstance(data, dict):
            return repr(data)
        if "$same" in data:
            return self._variables[data["$same"]]
        tag = next((key for key in data if key.startswith("$") and key != "$id"), None)
        if tag is None:
            items = [f"{key!r}: {self(item, f'{path}.{key}')}" for key, item in data.items()]
            return f"{{{', '.join(items)}}}"
        text = self._tagged(tag, data, path)
        if data.get("$id") in self._several and data["$id"] not in self._variables:
            name = self._variables[data["$id"]] = f"shared_{len(self._variables) + 1}"
            self.lines.append(f"{name} = {text}")
            return name
        return text

    def _tagged(self, tag: str, data: dict[str, Any], path: str) -> str:
        inner = data[tag]
        match tag:
            case "$call":
                return self._call(inner, data.get("args", ()), data.get("kwargs", {}), path)
            case "$name":
                return self.name(inner)
            case "$attachment":
                return self._carried(data, path)
            case "$enum":
                kind, member, *value = inner
                return f"{self.name(kind)}({self(value[0], path)})" if member is None else f"{self.name(kind)}.{member}"
            case "$dataclass":
                return self._call(inner, (), data["state"], path)
            case "$list":
                return self(inner, path)
            case "$tuple" | "$size":
                items = [self(item, path) for item in inner]
                return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
            case "$set" | "$frozenset":
                return f"{tag[1:]}([{', '.join(self(item, path) for item in inner)}])"
            case "$dict":
                return f"{{{', '.join(f'{self(key, path)}: {self(item, path)}' for key, item in inner)}}}"
            case "$slice":
                return f"slice({', '.join(self(item, path) for item in inner)})"
            case "$dtype" | "$memory_format" | "$layout":
                return self.name(f"torch.{inner}")
            case "$device":
                return f"{self.name('torch.device')}({inner!r})"
            case "$array" | "$tensor":
                return self._array(self._decode(data), path)
        if tag in PLAIN:
            return self._plain(self._decode(data))
        raise SerializationError(f"{path} holds '{tag}', which cannot be written as Python")

    def name(self, qualified: str) -> str:
        """How the class or function with this qualified name is written."""
        parts = qualified.split(".")
        if len(parts) == 1 or parts[0] == "builtins":
            return parts[-1]
        cut = next((i for i in range(len(parts) - 1, 0, -1) if self._is_module(".".join(parts[:i]))), len(parts) - 1)
        module, top, rest = ".".join(parts[:cut]), parts[cut], parts[cut + 1 :]
        origin = f"{module}.{top}"
        own = next((name for name, known in self.imports.items() if known == origin), None)
        if own is None:
            own, count = top, 2
            while own in self._taken or own in self.imports:
                own, count = f"{top}_{count}", count + 1
            self.imports[own] = origin
        return ".".join([own, *rest])

    def import_lines(self) -> list[str]:
        """The import statements for `imports`."""
        lines = []
        for name, origin in self.imports.items():
            module, _, last = origin.rpartition(".")
            lines.append(f"from {module} import {last}" + (f" as {name}" if name != last else ""))
        return lines

    def _call(self, target: Any, args: Any, kwargs: Mapping[str, Any], path: str) -> str:
        name = self.name(target) if isinstance(target, str) else self._carried(target, path)
        given = [self(arg, f"{path}.args[{i}]") for i, arg in enumerate(args)]
        named = [f"{key}={self(arg, f'{path}.{key}')}" for key, arg in kwargs.items() if key.isidentifier()]
        odd = {key: arg for key, arg in kwargs.items() if not key.isidentifier()}
        return f"{name}({', '.join([*given, *named, *([f'**{self(odd, path)}'] if odd else [])])})"

    def _carried(self, data: dict[str, Any], path: str) -> str:
        if "$same" in data:
            return self._variables[data["$same"]]
        if "of" in data:
            name = self.name(data["of"])
            self._variables[data["$id"]] = name  # a name can be used again as it is
            return name
        kind = data["$attachment"].partition("-")[2]
        lambdas = "define it with def at the top level of a module" if kind == "function" else ""
        raise SerializationError(
            f"{path} is a {kind} that cannot be written into the script, because nobody recorded how it was made: "
            + (lambdas or f"make it with raynas.serialize({kind}, …), or put @raynas.serialize_cls on the class")
        )

    def _array(self, value: Any, path: str) -> str:
        tensor = type(value).__module__.startswith("torch")
        if tensor and value.numel() <= SMALL:
            more = ", requires_grad=True" if value.requires_grad else ""
            plain = repr(value.detach().tolist())
            made = f"{self.name('torch.tensor')}({_numbers(plain)}, dtype={self.name(str(value.dtype))}{more})"
            return f"{self.name('torch.nn.Parameter')}({made})" if type(value).__name__ == "Parameter" else made
        if not tensor and value.size <= SMALL and value.dtype.kind in "biuf":
            call = self.name("numpy.array")
            return f"{call}({_numbers(repr(value.tolist()))}, dtype={value.dtype.str!r})"
        if tensor and str(value.dtype) not in ("torch.bfloat16",) and not str(value.dtype).startswith("torch.float8"):
            return f"{self.name('torch.from_numpy')}({self._kept(value.detach().numpy())})"
        if tensor:
            import torch

            raw = self._kept(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
            shape = tuple(value.shape)
            return f"{self.name('torch.from_numpy')}({raw}).view({self.name(str(value.dtype))}).reshape({shape})"
        return self._kept(value)

    def _kept(self, array: Any) -> str:
        same = next((name for name, known in self.arrays.items() if known is array), None)
        name = same or f"array_{len(self.arrays) + 1}"
        self.arrays[name] = array
        return f"DATA[{name!r}]"

    def _plain(self, value: Any) -> str:
        if isinstance(value, float):
            return f"float({str(value)!r})"
        if value is ...:
            return "..."
        if isinstance(value, int | bytes | bytearray | range):
            return hex(value) if isinstance(value, int) else repr(value)
        if isinstance(value, complex):
            return f"complex({str(value)!r})" if not math.isfinite(abs(value)) else repr(value)
        kind = type(value)
        if kind.__module__.startswith("pathlib"):
            name = "Path" if hasattr(value, "exists") else kind.__name__
            return f"{self.name(f'pathlib.{name}')}({str(value)!r})"
        name = self.name(f"datetime.{kind.__name__}")
        if kind.__name__ == "timedelta":
            return f"{name}({value.days}, {value.seconds}, {value.microseconds})"
        return f"{name}.fromisoformat({value.isoformat()!r})"


def _numbers(text: str) -> str:
    """The text of a list, with what is no literal of Python's made one."""
    return text.replace("nan", "float('nan')").replace("inf", "float('inf')")


def _referred(data: Any) -> set[int]:
    if isinstance(data, dict):
        own = {data["$same"]} if "$same" in data else set()
        return own.union(*(_referred(item) for item in data.values()))
    if isinstance(data, list):
        return set().union(*(_referred(item) for item in data))
    return set()
