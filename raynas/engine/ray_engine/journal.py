"""Journal: what has become of the jobs of one task, in a file of the worker's node, which outlives the worker.

What a worker says is on its way when it dies, and may be lost with it. What it has written is not: the system keeps it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

import ray

from raynas.engine.ray_engine.afar import elsewhere, on_node
from raynas.trial import Event

FOLDER = "raynas"
"""The journals' folder among the files of Ray's session, with which it goes."""

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND


class Journal:
    """The worker's side. It is written before anything begins that may take the process with it.

    Where it cannot be written, as on a full disk, there is none: what a dead worker has done is then done again.

    Args:
        name: by which it is found again.
    """

    def __init__(self, name: str) -> None:
        self._path = place(name)
        self._file = -1

    def __enter__(self) -> Self:
        with suppress(OSError):
            try:
                self._file = os.open(self._path, FLAGS, 0o600)
            except FileNotFoundError:  # the first one on this node
                os.makedirs(os.path.dirname(self._path), 0o700, exist_ok=True)
                self._file = os.open(self._path, FLAGS, 0o600)
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            with suppress(OSError):
                if kind is None:
                    os.unlink(self._path)

    def write(self, events: bytes) -> None:
        """Add some events, pickled as a list."""
        if self._file >= 0:
            try:
                whole = os.write(self._file, events) == len(events)
            except OSError:
                whole = False
            if not whole:
                self.__exit__()


def told(names: Sequence[str], node: str, last: bool) -> Mapping[str, Sequence[Event]]:
    """What the journals of some tasks tell, by their names, where there are any.

    Args:
        names: the journals'.
        node: where they lie, by the first letters of the node's id; empty: that is not known.
        last: whether their workers are dead, so that nobody will need them any more.
    """
    if node:
        return on_node(node, _read, names, last) or {}
    found = _read(names, last)
    missing = [name for name in names if name not in found]
    for more in elsewhere(_read, missing, last) if missing else ():
        found |= more
    return found


def _read(names: Sequence[str], last: bool) -> dict[str, list[Event]]:
    """What those tell that lie here."""
    found: dict[str, list[Event]] = {}
    for name in names:
        path = place(name)
        with suppress(OSError), open(path, "rb") as file:
            events = found[name] = []
            with suppress(Exception):  # the last one may be cut off
                while True:
                    events += pickle.load(file)
            if last:
                os.unlink(path)
    return found


def place(name: str) -> str:
    """Where a journal lies on its node."""
    context = ray.get_runtime_context()
    return f"{context.get_temp_dir()}/{context.get_session_name()}/{FOLDER}/{name}"
