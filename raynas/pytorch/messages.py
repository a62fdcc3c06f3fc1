"""Messages of assertions: the one text of a traced value that changes nothing."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from types import FrameType

Span = tuple[int, int, int, int]
"""First line, column in UTF-8 bytes, last line, column behind it."""


def in_assertion(frame: FrameType) -> bool:
    """Whether a frame is about to make a part of the text that `torch._assert` would show.

    `torch._assert(x.size(1) == 3, f"got {x.size(1)}")`: whether it holds is found out when the generated code runs,
    and only what it would say then lacks the number.
    """
    positions = list(frame.f_code.co_positions())
    first, last, start, end = positions[frame.f_lasti // 2]
    if first is None or last is None or start is None or end is None:
        return False
    here = (first, start), (last, end)
    spans = _messages("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    return any((a, b) <= here[0] and here[1] <= (c, d) for a, b, c, d in spans)


@lru_cache(maxsize=64)
def _messages(source: str) -> tuple[Span, ...]:
    """Where the messages of a module's assertions stand."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) == 2]
    texts = [node.args[1] for node in calls if ast.unparse(node.func) in ("torch._assert", "_assert")]
    return tuple(
        (text.lineno, text.col_offset, text.end_lineno or text.lineno, text.end_col_offset or 0) for text in texts
    )
