"""Consoles: results go to stdout, everything else to stderr."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from rich.console import Console

from raynas.errors import ConfigError, Notice

WIDE = 200
"""Columns where no terminal says how many there are: a file can hold long lines."""


def out() -> Console:
    """For results."""
    return _console(cast(TextIO, _Results(sys.stdout)))


def err() -> Console:
    """For progress and notices."""
    return _console(cast(TextIO, _Aside(sys.stderr)))


class _Stream:
    """A standard stream."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Results(_Stream):
    """Stdout, whose errors are told in a line; of one that nobody reads any more rich takes care."""

    def write(self, text: str) -> int:
        with self._told():
            return self._file.write(text)

    def flush(self) -> None:
        with self._told():
            self._file.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            with suppress(OSError):  # else what is left would be written, and fail, once more when Python ends
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
            raise ConfigError(f"stdout cannot be written: {error.strerror}; direct it elsewhere") from None


class _Aside(_Stream):
    """Stderr, which never fails: a search goes on when nobody looks at it any more, or the disk of its log is full."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def open_streams() -> None:
    """Have there be standard streams, also where this process was started without, as by `>&-`."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        stream = open(os.devnull, "w" if number else "r", encoding="utf-8")  # noqa: SIM115  # it stays
        try:
            os.fstat(number)
        except OSError:
            os.dup2(stream.fileno(), number)  # child processes look for it there
        if stream.fileno() == number:
            os.set_inheritable(number, True)
        setattr(sys, name, stream)


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
