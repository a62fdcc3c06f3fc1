"""Reasons: why a module is kept whole, and at which line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

from torch import nn

from raynas.errors import TraceError
from raynas.nn import InputChoice, LayerChoice, Repeat
from raynas.nn.basic_unit import CONTAINERS
from raynas.nn.recording import construction
from raynas.pytorch.proxy import TORCH, Untraceable, is_pythons
from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import leaves

STAND_INS = ("Traced", "Attribute'", "Spread'")
"""Classes of what stands for values while a forward is traced, as Python names them in errors."""


def choices_of(module: nn.Module) -> list[Leaf]:
    """The choice that a module itself is."""
    if isinstance(module, LayerChoice | InputChoice):
        return list(module.pick.leaves())
    return list(module.depth.leaves()) if isinstance(module, Repeat) else []


def refuse_choices(module: nn.Module, why: str) -> None:
    """`TraceError` where a module that must be kept whole holds choices that its own constructor does not take."""
    own = construction(module)
    taken = {id(leaf) for leaf in leaves((own.args, dict(own.kwargs)))} if own is not None else set()
    for path, child in module.named_modules():
        call = construction(child) if child is not module else None
        inside = [(path, leaf) for leaf in choices_of(child)]
        inside += [(path, leaf) for leaf in leaves((call.args, dict(call.kwargs)) if call is not None else ())]
        for name, value in vars(child).items():
            if not inside and not name.startswith("_"):
                inside = [(f"{path}.{name}".lstrip("."), leaf) for leaf in leaves(value) if id(leaf) not in taken]
        if inside:
            at, leaf = inside[0]
            raise TraceError(
                f"{type(module).__name__} cannot be opened ({why}), but the choice '{leaf.label}' stands "
                f"inside it, at '{at}': rewrite that line, or move the choice out"
            )


def reason(error: BaseException, module: nn.Module) -> str:
    """What went wrong and where, in one line."""
    what = str(error) if isinstance(error, Untraceable) else f"{type(error).__name__}: {error}"
    if isinstance(error, TypeError) and any(name in str(error) for name in STAND_INS):
        what = "uses a value that only the run knows as an index or a count"
    if isinstance(error, TypeError) and "'ValueChoice' object is not callable" in str(error):
        what = "calls a choice of values, and LayerChoice is for one of several modules"
    if isinstance(error, KeyError) and error.args and issubclass(type(error.args[0]), Expression):
        what = "looks up a choice in a table, and LayerChoice is for one of several modules"
    what = what.partition("\n")[0]
    if isinstance(error, Untraceable) and error.located:
        return what
    where = line_of(module)
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if _is_users(code.co_filename):
            where = f"{code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{where}: {what}" if where else what


def part_of(module: nn.Module, path: str) -> nn.Module:
    """The module at a path, also where its name is that of a method: `self.parameters = nn.ParameterList()`."""
    for name in path.split(".") if path else ():
        module = module._modules[name]  # type: ignore[assignment]  # the path leads to a module
    return module


def commonpath(paths: list[str]) -> str:
    """The path of the module around several."""
    parts = [path.split(".") if path else [] for path in paths]
    same = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))]
    return ".".join(same)


def can_be_whole(module: nn.Module) -> bool:
    """Whether a module has a constructor call of its own that makes it again with all that it holds."""
    return type(module) not in CONTAINERS and not isinstance(module, LayerChoice | Repeat)


def located(why: str, module: nn.Module, constructor: bool = False) -> str:
    """A reason with the line that it is about: that of the module's forward or constructor, where it names none."""
    init: Any = type(module).__init__
    where = _line(getattr(init, "__wrapped__", init)) if constructor else line_of(module)
    return why if ".py:" in why or not where else f"{where}: {why}"


def _is_users(file: str) -> bool:
    return not file.startswith((TORCH, RAYNAS)) and not is_pythons(file)


def line_of(module: nn.Module) -> str:
    """Where a module's forward is defined; empty where that is not known."""
    forward: Any = getattr(forward_of(module), "__func__", forward_of(module))
    return _line(getattr(forward, "__wrapped__", forward))


def _line(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return "" if code is None or not _is_users(code.co_filename) else f"{code.co_filename}:{code.co_firstlineno}"


RAYNAS = str(Path(__file__).parents[1])


def forward_of(module: nn.Module) -> Callable[..., Any]:
    """What a call of a module runs, bound to it."""
    return module.forward


def signature_of(module: nn.Module) -> inspect.Signature:
    """What a call of a module takes."""
    return inspect.signature(forward_of(module))
