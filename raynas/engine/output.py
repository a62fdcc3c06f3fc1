"""Output: the last lines that a trial has written."""

from __future__ import annotations

import sys
from collections import deque
from types import TracebackType
from typing import Any, Self, TextIO

LINES = 100
LENGTH = 1000
"""A longer line is cut: a trial may print megabytes, its record may not grow by them."""


class Output:
    """While it is entered, keeps the last lines of stdout and stderr, and passes everything on."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)
        self._open = ""

    def __enter__(self) -> Self:
        self._streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Tee(sys.stdout, self._take), _Tee(sys.stderr, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._streams

    def _take(self, text: str) -> None:
        *done, last = (self._open + text[-LINES * LENGTH :]).split("\n")
        self._lines.extend(line[:LENGTH] for line in done)
        self._open = last[:LENGTH]

    def tail(self) -> str:
        """The last lines, as one text."""
        lines = [*self._lines, self._open] if self._open else list(self._lines)
        return "\n".join(lines[-LINES:])


class _Tee:
    def __init__(self, to: TextIO, take: Any) -> None:
        self._to, self._take = to, take

    def write(self, text: str) -> int:
        self._take(text)
        return self._to.write(text)

    def close(self) -> None:
        """Nothing: what a trial closes, the next one would find closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._to, name)
