"""load_module: from generated source to a module with fresh weights."""

from __future__ import annotations

import linecache
import re
from functools import lru_cache
from types import CodeType

from torch import nn

from raynas.errors import SourceError
from raynas.graph.room import roomy

ENTRY = "Model"

PART = re.compile(r"\n\n\n(?=\S)")
"""Between two statements of a text's outermost level. Where this stands in the middle of one, the part before it does
not compile."""

PARTS = 1024
"""So many parts stay compiled: candidates of one space have most of their classes in common."""


@roomy
def load_module(source: str) -> nn.Module:
    """The module that generated source describes, with fresh weights.

    Running source is running code: load only what `to_source` made, or what you have read.

    Args:
        source: Python text that defines the class `Model`.

    Raises:
        SourceError: the text is not Python, does not define `Model`, or its constructor fails.
    """
    namespace: dict[str, object] = {"__name__": "raynas_generated"}
    try:
        for code, lines in _compiled(source):
            linecache.cache[code.co_filename] = (0, None, lines, code.co_filename)
            exec(code, namespace)
    except Exception as error:
        raise SourceError(f"the source cannot be run: {type(error).__name__}: {error}") from error
    cls = namespace.get(ENTRY)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise SourceError(f"the source defines no module class '{ENTRY}': was it made by to_source?")
    try:
        made = cls()
    except Exception as error:
        raise SourceError(f"the source's {ENTRY} cannot be built: {type(error).__name__}: {error}") from error
    return made


def _compiled(source: str) -> list[tuple[CodeType, list[str]]]:
    """The text's parts, one after the other, with the lines of their files."""
    if "__future__" not in source:  # that would be for all parts
        try:
            return [_part(text, line) for text, line in _parts(source)]
        except SyntaxError:
            pass  # it is no Python, or two parts are one statement
    return [_part(source, 0)]


def _parts(source: str) -> list[tuple[str, int]]:
    """Each with the number of lines above it."""
    parts, line = [], 0
    for text in PART.split(source):
        parts.append((text, line))
        line += text.count("\n") + 3
    return parts


@lru_cache(PARTS)
def _part(text: str, line: int) -> tuple[CodeType, list[str]]:
    """A part as a file of its own; there it stands where it does in the whole, so that line numbers are right."""
    placed = "\n" * line + text
    return compile(placed, f"<generated {abs(hash(placed)):x}>", "exec"), placed.splitlines(keepends=True)
