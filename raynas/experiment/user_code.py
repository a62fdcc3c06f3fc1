"""The user's own code in a training: its digest, which is part of what makes two trainings the same."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import sys
import sysconfig
import textwrap
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from raynas.errors import SerializationError
from raynas.serializer import imported

PLAIN = (bool, int, float, complex, str, bytes, tuple, frozenset, type(None))


def code_digest(names: Iterable[str], objects: Iterable[Any] = ()) -> str:
    """A digest of the user-written source behind these names, and behind what that source refers to.

    Comments, blank lines and docstrings do not count, so that a run goes on after they were edited. Installed packages
    do not count either: a candidate stays itself when a library is upgraded.

    Args:
        names: qualified names of classes and functions.
        objects: further ones, and instances, whose classes count.
    """
    found: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            _collect(imported(name), found)
        except (SerializationError, ImportError):
            continue  # a builtin, or a name that only the graph knows
    for item in objects:
        _collect(item if isinstance(item, type | FunctionType) else type(item), found)
    text = "\n".join(f"{name}: {found[name]}" for name in sorted(found))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _collect(item: Any, found: dict[str, str]) -> None:
    item = inspect.unwrap(item) if isinstance(item, FunctionType) else item
    if not isinstance(item, type | FunctionType) or not users_own(item.__module__):
        return
    name = f"{item.__module__}.{item.__qualname__}"
    if name in found:
        return
    found[name] = _normalised(item)
    module = sys.modules.get(item.__module__)
    for used in _names_in(item):
        _use(f"{item.__module__}.{used}", getattr(module, used, None), found)
    for base in item.__bases__ if isinstance(item, type) else ():
        _collect(base, found)


def _use(name: str, value: Any, found: dict[str, str]) -> None:
    if isinstance(value, PLAIN):
        found.setdefault(name, repr(value))
    elif not isinstance(value, ModuleType):
        _collect(value, found)


def _normalised(item: Any) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(item)))
    except (OSError, TypeError, SyntaxError):  # typed at a prompt, or a lambda in the middle of a line
        return "".join(code.co_code.hex() + repr(_constants(code)) for code in _codes(item))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]  # whatever has a body may have another
    return ast.dump(tree)


def _names_in(item: Any) -> set[str]:
    return {name for code in _codes(item) for name in code.co_names}


def _codes(item: Any) -> Iterator[CodeType]:
    if isinstance(item, type):
        for value in vars(item).values():
            inner = getattr(value, "__func__", getattr(value, "fget", value))
            inner = inspect.unwrap(inner) if callable(inner) else inner
            if isinstance(inner, FunctionType):
                yield from _codes(inner)
        return
    waiting = [item.__code__]
    while waiting:
        code = waiting.pop()
        yield code
        waiting.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))


def _constants(code: CodeType) -> list[Any]:
    return [constant for constant in code.co_consts if isinstance(constant, PLAIN)]


def users_own(module: str) -> bool:
    """Whether a module is the user's, rather than Python's, an installed package's or raynas's."""
    if module.partition(".")[0] in ("raynas", "builtins"):
        return False
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if found is None or (file is None and module != "__main__"):
        return False
    if file is None or "site-packages" in file or "dist-packages" in file:
        return file is None
    return not file.startswith(sysconfig.get_path("stdlib")) and not _installed(_home(module, file))


def _home(module: str, file: str) -> str:
    """The folder in which a module's top-level one lies."""
    depth = module.count(".") + (os.path.basename(file) == "__init__.py")
    for _ in range(depth + 1):
        file = os.path.dirname(file)
    return file


@cache
def _installed(folder: str) -> bool:
    """Whether packages are installed in a folder, whatever it is called."""
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(folder))
    except OSError:
        return False
