"""The user's code on its way to the workers: what they cannot import goes by value.

A class from `__main__`, from a notebook or from a module that lies on nobody's path is pickled with its code, and put
into a module of that name where it arrives, before anything there asks for it.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import cloudpickle

from raynas.errors import SerializationError
from raynas.serializer.buffers import carried


def pack(names: Iterable[str]) -> bytes:
    """What stands behind those of the qualified names whose modules another process could not import.

    Args:
        names: qualified names of classes and functions, as in "__main__.Block".

    Returns:
        A pickle for `unpack`; empty where every name can be imported.
    """
    parts: dict[str, dict[str, Any]] = {}
    for name in sorted(set(names)):
        module = _module_of(name)
        if module is None or importable(module):
            continue
        top = name[len(module) + 1 :].partition(".")[0]
        parts.setdefault(module, {})[top] = getattr(sys.modules[module], top)
    if not parts:
        return b""
    by_value = [sys.modules[module] for module in parts if module != "__main__"]
    for module_object in by_value:
        cloudpickle.register_pickle_by_value(module_object)
    try:
        return carried(parts)
    except Exception as error:
        held = ", ".join(f"{module}.{name}" for module, inner in parts.items() for name in inner)
        raise SerializationError(
            f"{held} cannot travel to the workers ({type(error).__name__}: {error}): "
            "move it into a module of its own, or take what cannot be pickled out of it"
        ) from error
    finally:
        for module_object in by_value:
            cloudpickle.unregister_pickle_by_value(module_object)


def unpack(data: bytes) -> None:
    """Put what `pack` packed into the modules it came from, making those that are not there.

    Args:
        data: written by this run's own driver: unpickling runs code.
    """
    if not data:
        return
    for module, parts in cloudpickle.loads(data).items():
        place = _made(module)
        for name, value in parts.items():
            setattr(place, name, value)


def extend_path(path: Sequence[str]) -> None:
    """Append to this process's import path those folders and zips that exist here and do not stand on it yet.

    Relative ones are folders of the project, whose copy is this process's working directory.
    """
    for folder in map(os.path.abspath, path):
        if folder not in sys.path and os.path.exists(folder):
            sys.path.append(folder)


def importable(module: str) -> bool:
    """Whether a process with this one's path could import the module, from the file from which it came here."""
    if module == "__main__":
        return False
    here = sys.modules.get(module)
    path: Sequence[str] | None = None
    parts = module.split(".")
    origin: str | None = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        if name in sys.builtin_module_names:
            return True
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
        except (ImportError, ValueError):
            return False
        if spec is None:
            # An editable install may answer by a finder of its own, which every process with this interpreter has.
            return here is not None and _from_a_finder(here)
        path, origin = list(spec.submodule_search_locations or ()), spec.origin
    file = getattr(here, "__file__", None)
    return file is None or origin is None or os.path.realpath(file) == os.path.realpath(origin)


def _from_a_finder(module: ModuleType) -> bool:
    name = module.__name__
    for finder in sys.meta_path:
        if getattr(finder, "__name__", "") == "PathFinder" or type(finder).__module__.startswith("_pytest"):
            continue
        try:
            if finder.find_spec(name, None) is not None:
                return True
        except (AttributeError, ImportError, ValueError):
            continue
    return False


def _module_of(name: str) -> str | None:
    """The longest part of a qualified name that is a loaded module; None where there is none."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        if module in sys.modules:
            return module
    return None


def _made(name: str) -> ModuleType:
    parent, _, last = name.rpartition(".")
    if name not in sys.modules:
        sys.modules[name] = ModuleType(name)
    if parent:
        setattr(_made(parent), last, sys.modules[name])
    return sys.modules[name]
