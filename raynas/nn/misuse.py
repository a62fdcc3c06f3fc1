"""Misuse: what a function says that was handed a choice in the place of a number, in words that help.

`torch.ones(width, 1)` tells of arguments that it takes otherwise, and never looks at the choice itself.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from raynas.errors import SpaceError
from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import PASS_ON

CALL = "write LayerChoice([nn.ReLU(), nn.GELU()]) for one of several modules"
LOOK_UP = "write LayerChoice({'relu': nn.ReLU(), 'gelu': nn.GELU()}) for one of several modules, ValueChoice for values"


def refuse(error: TypeError | KeyError, made: Sequence[Leaf]) -> None:
    """`SpaceError` where a choice is named in the expression that failed, or was made on its line.

    Args:
        error: as Python raised it.
        made: the choices that were made until then.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if isinstance(error, KeyError):
        found = next((key for key in error.args if issubclass(type(key), Expression)), None)
    else:
        found = next(_choices(trace), None) if trace is not None else None
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    if found is None:
        found = next((choice for choice in reversed(made) if choice.where == place), None)
    if found is None:
        return
    if isinstance(error, KeyError):
        what, cure = "as a key", LOOK_UP
    else:
        told = str(error).partition("\n")[0]
        what, cure = f"here ({told})", CALL if "not callable" in told else PASS_ON
    raise SpaceError(
        f"{place}: {found!r} cannot be used {what}, because its value is not chosen yet: {cure}"
    ) from error


def _choices(trace: TracebackType) -> Iterator[Expression]:
    """The choices that are named in the expression that failed: variables, and attributes of variables."""
    values = trace.tb_frame.f_locals
    steps = list(dis.get_instructions(trace.tb_frame.f_code))
    here = next((step.positions for step in steps if step.offset == trace.tb_lasti), None)
    if here is None or here.lineno is None or here.end_lineno is None:
        return
    holder: Any = None
    for step in steps:
        line = step.positions.lineno if step.positions is not None else None
        if line is None or not here.lineno <= line <= here.end_lineno:
            continue
        known = vars(holder) if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and hasattr(holder, "__dict__") else values
        holder = known.get(step.argval) if isinstance(step.argval, str) else None
        for value in holder if type(holder) in (list, tuple) else (holder,):
            if issubclass(type(value), Expression):
                yield value
