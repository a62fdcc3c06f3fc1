"""Misuse: what a function says that was handed a choice in the place of a number, in words that help.

`torch.ones(width, 1)` tells of arguments that it takes otherwise, and never looks at the choice itself.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from raynas.errors import SpaceError
from raynas.search_space import Expression


def refuse(error: TypeError) -> None:
    """`SpaceError` where a choice is named in the expression that failed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    found = next(_choices(trace), None) if trace is not None else None
    if trace is None or found is None:
        return
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    raise SpaceError(
        f"{place}: {found!r} cannot be used here ({str(error).partition(chr(10))[0]}), because its value is not chosen "
        "yet: pass it to a layer's constructor, or use it in forward"
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
