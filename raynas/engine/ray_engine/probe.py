"""The probe: what a node that may lack everything is asked before a trial is sent there.

It travels with its code, so it imports nothing but Python's own modules by itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence


def probe(versions: Mapping[str, str], path: Sequence[str], code: bytes, names: Sequence[str], cuda: bool) -> str:
    """What keeps trials from running in this process, in a line; empty: nothing does.

    Args:
        versions: what has to be here, by distribution; empty: any version of it.
        path: folders from which the user's code may be imported, in the project or on the driver's machine.
        code: the user's code that comes by value.
        names: qualified names of the user's classes and functions.
        cuda: whether torch has to see a GPU.
    """
    for name, wanted in versions.items():
        module = name.replace("-", "_")
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"cannot import {module} ({type(error).__name__}: {error}): install {name} {wanted} there".replace(
                "  ", " "
            )
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # it lies in the project's folder, which is the same here
        found = str(getattr(sys.modules[module], "__version__", found))
        if wanted and found.partition("+")[0] != wanted.partition("+")[0]:
            return f"has {name} {found}, and this search {wanted}: install that one there"
    here = map(os.path.abspath, path)
    sys.path.extend(folder for folder in dict.fromkeys(here) if folder not in sys.path and os.path.exists(folder))
    try:
        importlib.import_module("raynas.engine.travel").unpack(code)
    except Exception as error:
        return f"cannot import the search's code ({type(error).__name__}: {error}): bring it there, or install it"
    for name in names:
        if trouble := _lacks(name):
            return trouble
    if cuda and not importlib.import_module("torch").cuda.is_available():
        return "offers a GPU that its torch does not see: install a build of torch for it there"
    return ""


def _lacks(name: str) -> str:
    """What keeps the module of a qualified name from being imported; empty: nothing does."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        module = ".".join(parts[:end])
        if module in sys.modules:
            continue
        try:
            there = importlib.util.find_spec(module) is not None
        except (ImportError, AttributeError, ValueError):
            there = False
        if not there:
            if end > 1:
                break  # the rest are classes and functions
            return f"has no module '{module}', which the search needs: install it there, or move it into the project"
        try:
            importlib.import_module(module)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
            return f"cannot import {module} ({said}): install what is missing there, or move it into the project"
    return ""
