"""Names and literals: how a value of the IR is written, and what has to be imported for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Unit
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.text import Listed, Slot, Text, call
from raynas.pytorch.names import name_of, resolve
from raynas.search_space import Expression
from raynas.serializer import parameter

ALIASES = {"torch.nn.functional": "F", "torch.nn": "nn"}
IMPORTS = {
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "torch": "import torch",
    "math": "import math",
    "operator": "import operator",
    "copy": "import copy",
    "OrderedDict": "from collections import OrderedDict",
}
RESERVED = frozenset({*IMPORTS, "self", "super", "Model"})


class Imports:
    """Collects what the source imports, and says how each name is then written."""

    def __init__(self) -> None:
        self._lines: set[str] = set()
        self._names: dict[str, str] = {}
        self._written: dict[str, str] = {}

    def word(self, word: str) -> str:
        """One of the fixed names: `nn`, `F`, `torch`, …"""
        self._lines.add(IMPORTS[word])
        return word

    def name(self, qualified: str) -> str:
        """How the thing of this qualified name is written."""
        if qualified not in self._written:
            self._written[qualified] = self._imported(qualified)
        return self._written[qualified]

    def _imported(self, qualified: str) -> str:
        if not all(identifier(part) for part in qualified.split(".")):
            raise GraphError(f"{qualified!r} is not a qualified name")
        module, _, last = qualified.rpartition(".")
        if module in ("builtins", ""):
            return last
        if module in ALIASES:
            return f"{self.word(ALIASES[module])}.{last}"
        if module == "torch.nn.init":
            return f"{self.word('nn')}.init.{last}"
        if module in ("torch", "math", "operator", "copy"):
            return f"{self.word(module)}.{last}"
        if qualified == "collections.OrderedDict":
            return self.word(last)
        if module.startswith("torch."):
            self._lines.add(
                "import torch" if hasattr(resolve("torch.Tensor"), "dim") and _loaded(module) else f"import {module}"
            )
            return qualified
        return self._other(qualified)

    def _other(self, qualified: str) -> str:
        """A thing of another package: imported by name, under another one where that is taken."""
        if qualified not in self._names:
            module, first = _split(qualified)
            name, count = first.rpartition(".")[2], 2
            top = first.partition(".")[0]
            while top in self._names.values() or top in RESERVED:
                top, count = f"{name}{count}", count + 1
            original = first.partition(".")[0]
            self._lines.add(f"from {module} import {original}" + (f" as {top}" if top != original else ""))
            self._names[qualified] = top + first[len(original) :]
        return self._names[qualified]

    def taken(self) -> set[str]:
        """The names that the source must not use for anything else."""
        return {text.partition(".")[0] for text in self._names.values()} | set(RESERVED)

    def lines(self) -> list[str]:
        """The import statements: Python's own, torch, others, each sorted."""

        def room(line: str) -> int:
            root = line.split()[1].partition(".")[0]
            return 0 if root in sys.stdlib_module_names else 1 if root == "torch" else 2

        merged: dict[str, set[str]] = {}
        for line in self._lines:
            head, _, names = line.partition(" import ")
            merged.setdefault(head, set()).update([names] if names else [])
        lines = [f"{head} import {', '.join(sorted(names))}" if names else head for head, names in merged.items()]
        groups = [sorted(line for line in lines if room(line) == r) for r in range(3)]
        groups[1].sort(key=lambda line: (line.startswith("from"), line))
        text: list[str] = []
        for group in groups:
            text += ([""] if text and group else []) + group
        return text


def _loaded(module: str) -> bool:
    return module in ("torch.linalg", "torch.fft", "torch.special")


def _split(qualified: str) -> tuple[str, str]:
    """The module and the name in it: a class inside a class keeps the outer one's name in front."""
    parts = qualified.split(".")
    target = resolve_or_none(qualified)
    module = getattr(target, "__module__", None)
    if isinstance(module, str) and qualified.startswith(f"{module}."):
        return module, qualified[len(module) + 1 :]
    return ".".join(parts[:-1]), parts[-1]


def resolve_or_none(qualified: str) -> Any:
    """What the name imports; None where it cannot be imported here."""
    try:
        return resolve(qualified)
    except Exception:  # whatever an import of a user's module raises: the name is then taken as it is
        return None


def literal(value: Any, imports: Imports) -> str:
    """A plain value as source; `GraphError` where it has no literal form."""
    if type(value) is str:
        return quoted(value)
    if value is None or isinstance(value, bool) or type(value) in (int, bytes):
        return repr(value)
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f'float("{float(value)}")'
    if isinstance(value, complex):
        return repr(value)
    if isinstance(value, tuple):
        items = [literal(item, imports) for item in value]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(literal(item, imports) for item in value)}]"
    if isinstance(value, set | frozenset):
        items = sorted(literal(item, imports) for item in value)
        text = "{" + ", ".join(items) + "}" if items else "set()"
        return text if isinstance(value, set) else f"frozenset({text if items else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k, imports)}: {literal(v, imports)}" for k, v in value.items()) + "}"
    if isinstance(value, slice):
        return f"slice({', '.join(literal(item, imports) for item in (value.start, value.stop, value.step))})"
    if isinstance(value, range):
        return repr(value)
    if value is ...:
        return "..."
    if isinstance(value, Unit):
        raise GraphError(f"{value.target} stands where a plain value must stand")
    if isinstance(value, Expression):
        raise GraphError(f"{value!r} is not chosen yet: freeze the graph first")
    kind = type(value)
    if isinstance(value, Enum):
        return f"{imports.name(name_of(kind))}.{value.name}"
    if kind.__module__ == "torch" and kind.__name__ in ("dtype", "memory_format", "layout"):
        imports.word("torch")
        return str(value)
    if kind.__module__ == "torch" and kind.__name__ == "device":
        return f"{imports.word('torch')}.device({str(value)!r})"
    if isinstance(value, type) or callable(value):
        return imports.name(name_of(value))
    raise GraphError(f"a {kind.__name__} has no literal form: {value!r}")


def quoted(value: str) -> str:
    """A text in double quotes where that is possible without more escapes."""
    text = repr(value)
    return text if text[0] == '"' or '"' in value or "\\'" in text else f'"{text[1:-1]}"'


def constructor(unit: Unit, imports: Imports) -> Text:
    """A unit's constructor call, its literals as slots."""
    target = resolve_or_none(unit.target)

    def item(value: Any, hint: str) -> Text:
        if isinstance(value, Unit):
            return constructor(value, imports)
        if isinstance(value, tuple | list) and any(isinstance(part, Unit) for part in value):
            brackets = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
            return Listed(brackets[0], tuple(item(part, hint) for part in value), brackets[1])
        if isinstance(value, dict) and any(isinstance(part, Unit) for part in value.values()):
            pairs = tuple((literal(key, imports), ": ", item(part, hint)) for key, part in value.items())
            return Listed("{", pairs, "}")
        return Slot(literal(value, imports), hint)

    positional = [item(arg, _hint(target, i)) for i, arg in enumerate(unit.args)]
    named: Mapping[str, Any] = unit.kwargs
    for key in named:
        if not identifier(key):
            raise GraphError(f"{unit.target} is passed an argument named {key!r}, which is not an identifier")
    return call(imports.name(unit.target), [*positional, *((f"{key}=", item(arg, key)) for key, arg in named.items())])


@lru_cache(maxsize=8192)
def _hint(target: Any, position: int) -> str:
    name = parameter(target, position) if target is not None else ""
    return name if identifier(name) else f"value_{position}"
