"""The command line as a function, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

TINY = """
space: tiny.Tiny
evaluator:
  class_path: raynas.FunctionalEvaluator
  init_args: {fn: tiny.judge}
objective: score
strategy: random
max_trials: 6
engine: local
"""


class Said(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of a command that failed as it should."""
        assert self.status == 2, self
        *before, last = self.err.rstrip("\n").split("\n")
        assert last.startswith("error: "), self.err
        assert all(line.startswith(("run '", "note: ")) or "done" in line for line in before), self.err
        assert "Traceback" not in self.err + self.out
        return last


Raynas = Callable[..., Said]
"""Takes a command line, word by word."""
