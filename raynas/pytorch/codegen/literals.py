"""Names and literals: how a value of the IR is written, and what has to be imported for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from raynas.errors import GraphError
from raynas.graph import Unit
from raynas.graph.texts import Same
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
WORDS = frozenset({"float", "slice", "set", "frozenset", "range"})
"""Python's own that stand in literals, as in `float("-inf")`."""

LOADED = ("torch.linalg", "torch.fft", "torch.special")
"""Modules that come with torch itself."""

REMEMBERED = 1024
"""So many texts of one kind are remembered; then they are forgotten, and written again."""

T = TypeVar("T")


class _Names:
    """Names of other packages' things, as they are written.

    Attributes:
        written: by qualified name.
        key: what two of these share only if they say the same of the same things.
        taken: the names that must not be used for anything else.
    """

    def __init__(self, written: Mapping[str, str], things: Sequence[Same]) -> None:
        self.written = written
        self.things = things
        self.key = (*written.items(), *things)
        self.taken = RESERVED.union(text.partition(".")[0] for text in written.values())


NONE = _Names({}, ())


class Imports:
    """Collects what the source imports, and says how each name is then written.

    Args:
        names: those that are known when it begins.
    """

    def __init__(self, names: _Names = NONE) -> None:
        self._lines: set[str] = set()
        self._names = names

    def word(self, word: str) -> str:
        """One of the fixed names: `nn`, `F`, `torch`, …"""
        self._lines.add(IMPORTS[word])
        return word

    def name(self, qualified: str) -> str:
        """How the thing of this qualified name is written."""
        text, line = _plainly(qualified)
        if text is None:
            return self._other(qualified)
        if line is not None:
            self._lines.add(line)
        return text

    def _other(self, qualified: str) -> str:
        """A thing of another package: imported by name, under another one where that is taken."""
        written = self._names.written
        if qualified not in written:
            module, first, thing = _split(qualified)
            name, count = first.rpartition(".")[2], 2
            top = first.partition(".")[0]
            while top in written.values() or top in RESERVED:
                top, count = f"{name}{count}", count + 1
            original = first.partition(".")[0]
            self._lines.add(f"from {module} import {original}" + (f" as {top}" if top != original else ""))
            written = {**written, qualified: top + first[len(original) :]}
            self._names = _Names(written, (*self._names.things, Same(thing)))
        return written[qualified]

    def remember(self, known: dict[Hashable, Remembered], key: Hashable, make: Callable[[Imports], T]) -> T:
        """What `make` writes, made once.

        Args:
            known: what was made before.
            key: all that it hangs on beside the names that are imported.
            make: writes it, given where to collect its imports.
        """
        place = key, self._names.key
        found = known.get(place)
        if found is None:
            own = Imports(self._names)
            value = make(own)
            if len(known) >= REMEMBERED:
                known.clear()
            found = known[place] = Remembered(value, own._lines, own._names)
        self._lines |= found.lines
        self._names = found.names
        made: T = found.value
        return made

    @property
    def taken(self) -> frozenset[str]:
        """The names that the source must not use for anything else."""
        return self._names.taken

    def text(self) -> str:
        """The import statements: Python's own, torch, others, each sorted."""
        return _statements(frozenset(self._lines))


class Remembered(NamedTuple):
    """What was written once.

    Attributes:
        value: a text, or several.
        lines: what it imports.
        names: those that are then known.
    """

    value: Any
    lines: set[str]
    names: _Names


@lru_cache(maxsize=1024)
def _statements(lines: frozenset[str]) -> str:
    def room(line: str) -> int:
        root = line.split()[1].partition(".")[0]
        return 0 if root in sys.stdlib_module_names else 1 if root == "torch" else 2

    merged: dict[str, set[str]] = {}
    for line in lines:
        head, _, names = line.partition(" import ")
        merged.setdefault(head, set()).update([names] if names else [])
    whole = [f"{head} import {', '.join(sorted(names))}" if names else head for head, names in merged.items()]
    groups = [sorted(line for line in whole if room(line) == r) for r in range(3)]
    groups[1].sort(key=lambda line: (line.startswith("from"), line))
    return "\n\n".join(["\n".join(group) for group in groups if group])


@lru_cache(maxsize=8192)
def _plainly(qualified: str) -> tuple[str | None, str | None]:
    """How a thing of Python or torch is written, and what imports it; no text: it is another package's."""
    if not all(identifier(part) for part in qualified.split(".")):
        raise GraphError(f"{qualified!r} is not a qualified name")
    module, _, last = qualified.rpartition(".")
    if module in ("builtins", ""):
        return last, None
    if module in ALIASES:
        return f"{ALIASES[module]}.{last}", IMPORTS[ALIASES[module]]
    if module == "torch.nn.init":
        return f"nn.init.{last}", IMPORTS["nn"]
    if module in ("torch", "math", "operator", "copy"):
        return f"{module}.{last}", IMPORTS[module]
    if qualified == "collections.OrderedDict":
        return last, IMPORTS[last]
    if module.startswith("torch."):
        return qualified, "import torch" if module in LOADED else f"import {module}"
    return None, None


def _split(qualified: str) -> tuple[str, str, Any]:
    """The module, the name in it, and the thing: a class inside a class keeps the outer one's name in front."""
    parts = qualified.split(".")
    target = resolve_or_none(qualified)
    module = getattr(target, "__module__", None)
    if isinstance(module, str) and qualified.startswith(f"{module}."):
        return module, qualified[len(module) + 1 :], target
    return ".".join(parts[:-1]), parts[-1], target


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
        if type(value).__module__ == "torch":
            return f"{imports.name('torch.Size')}([{', '.join(items)}])"
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
        if isinstance(value, tuple | list) and _holds_unit(value):
            brackets = ("[", "]") if isinstance(value, list) else ("(", ",)" if len(value) == 1 else ")")
            return Listed(brackets[0], tuple(item(part, hint) for part in value), brackets[1])
        if isinstance(value, dict) and _holds_unit(value):
            pairs = tuple((literal(key, imports), ": ", item(part, hint)) for key, part in value.items())
            return Listed("{", pairs, "}")
        return Slot(literal(value, imports), hint)

    positional = [item(arg, _hint(target, i)) for i, arg in enumerate(unit.args)]
    named: Mapping[str, Any] = unit.kwargs
    for key in named:
        if not identifier(key):
            raise GraphError(f"{unit.target} is passed an argument named {key!r}, which is not an identifier")
    return call(imports.name(unit.target), [*positional, *((f"{key}=", item(arg, key)) for key, arg in named.items())])


def _holds_unit(value: Any) -> bool:
    """Whether a constructor call stands in nested lists, tuples and dicts."""
    if isinstance(value, dict):
        value = tuple(value.values())
    return isinstance(value, Unit) or (isinstance(value, tuple | list) and any(map(_holds_unit, value)))


@lru_cache(maxsize=8192)
def _hint(target: Any, position: int) -> str:
    name = parameter(target, position) if target is not None else ""
    return name if identifier(name) else f"value_{position}"
