"""Names: under what a class or function is imported, and what a document may name."""

from __future__ import annotations

import enum
import importlib
import inspect
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from raynas.errors import SerializationError
from raynas.serializer.call import RECORDED

TORCH = ("torch.nn", "torch.optim", "torch.utils.data")
"""Packages of torch whose classes and functions a document may always name."""

HARMLESS = frozenset(
    {
        *("int", "float", "bool", "str", "bytes", "list", "tuple", "dict", "set", "frozenset", "complex", "object"),
        *("collections.Counter", "collections.OrderedDict", "collections.defaultdict", "collections.deque"),
        *("datetime.time", "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "functools.partial"),
        *("datetime.datetime", "numpy.dtype", "types.SimpleNamespace", "uuid.UUID", "zoneinfo.ZoneInfo"),
    }
)
"""Python's own that a document may always name: what they call is named in the document, too."""

NAMELESS = ("torch", "torch.nn.functional", "torch.special", "torch.linalg", "torch.fft", "numpy")
"""Where functions written in C are looked for, which do not know where they belong."""


def qualified_name(target: Any) -> str:
    """The name under which `target` can be imported; `SerializationError` where there is none."""
    name = getattr(target, "__qualname__", "")
    module = getattr(target, "__module__", None) or ""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if name and (found is target or (inspect.ismethod(target) and found == target)):
        return f"{module}.{name}"
    if not isinstance(target, type) and not inspect.isfunction(target):
        short = getattr(target, "__name__", "")
        for home in NAMELESS:
            if short and getattr(sys.modules.get(home), short, None) is target:
                return f"{home}.{short}"
    shown = f"the method {name} of an object" if inspect.ismethod(target) else repr(target)
    raise SerializationError(f"{shown} cannot be imported under a name: define it at the top level of a module")


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
                if isinstance(found, ModuleType):  # what a module has imported is not its own
                    break
            else:
                return found
        except AttributeError:
            pass
        break
    raise SerializationError(f"'{name}' cannot be imported here: is its module on the path, under the same name?")


def allowed(name: str, trust: Sequence[str]) -> Any:
    """What can be imported under `name`, if a document may name it.

    Whether it may is decided before anything is imported that is not torch's, raynas's or trusted; and again with the
    object at hand, which has to belong where its name says, for modules hold names of others.

    Args:
        name: a qualified name.
        trust: names of modules, packages, classes and functions that the caller trusts.
    """
    if name in HARMLESS:
        return imported(name if "." in name else f"builtins.{name}")
    if name in RECORDED or name in trust:
        return imported(name)
    package = name.partition(".")[0]
    if package == "raynas":
        found = imported(name)
        # Importing its module has recorded it; the jobs of the contracts' tests are plain functions.
        if name in RECORDED or getattr(found, "__module__", "").startswith("raynas.testing."):
            return found
    elif _under(name, TORCH):
        found = imported(name)
        if _is_torchs(found):
            return found
    elif _under(name, trust):
        found = imported(name)
        if _under(f"{getattr(found, '__module__', '')}.", trust) or isinstance(found, enum.EnumType):
            return found
    raise SerializationError(
        f"the document names '{name}', which is not trusted: pass trust=['{name.rpartition('.')[0]}'] "
        "if you know where the document comes from"
    )


def _under(name: str, packages: Sequence[str]) -> bool:
    return any(name.startswith(f"{package}.") for package in packages)


def _is_torchs(found: Any) -> bool:
    home = getattr(found, "__module__", None)
    if isinstance(found, type) or inspect.isfunction(found):
        return str(home).partition(".")[0] == "torch"
    return inspect.isbuiltin(found) and home in (None, "torch", "torch._C", "torch._C._nn")


def parameter(target: Any, position: int) -> str:
    """What `target` calls its argument at `position`."""
    try:
        return list(inspect.signature(target).parameters)[position]
    except (IndexError, TypeError, ValueError):
        return f"args[{position}]"
