"""Consoles: results go to stdout, everything else to stderr."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console

from raynas.errors import Notice

WIDE = 200
"""Columns where no terminal says how many there are: a file can hold long lines."""


def out() -> Console:
    """For results."""
    return _console(sys.stdout)


def err() -> Console:
    """For progress and notices."""
    return _console(sys.stderr)


def print_anything() -> None:
    """Have stdout write what its encoding does not know as an escape: a user's names and texts may hold anything."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def interactive(console: Console) -> bool:
    """Whether somebody sees lines being written over."""
    return console.file.isatty() and not console.is_dumb_terminal


def _console(file: TextIO) -> Console:
    return Console(file=file, highlight=False, markup=False, width=None if file.isatty() else WIDE, soft_wrap=False)


def say(text: str) -> None:
    """One line for people, on stderr."""
    err().print(text, soft_wrap=True)


def shown(path: str) -> str:
    """A path as people know it: relative, where it lies below this folder."""
    relative = path if "://" in path else os.path.relpath(path)
    return path if relative.startswith("..") else relative


@contextmanager
def notices(verbose: bool) -> Iterator[None]:
    """Within it, raynas's notices are single lines, and others' warnings are shown only with `verbose`."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Notice):
            say(f"note: {message}")
        elif verbose:
            before(message, category, *where, **more)

    with warnings.catch_warnings():
        before = warnings.showwarning
        warnings.showwarning = show
        yield
