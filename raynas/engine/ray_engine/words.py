"""Last words: what a worker had written when it died, read from the log that Ray keeps of it on its node."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import ray

from raynas.engine.engine import Job
from raynas.engine.output import LENGTH, LINES
from raynas.engine.ray_engine.afar import on_node, own_node

PREFIX = ":task_name:"
"""A line that begins so is a word from Ray's workers to its log reader: who writes what follows. Nobody is shown it."""


def worker_name() -> str:
    """This process's name among all workers: its node, by the first letters of its id, and its number there."""
    return f"{own_node()}:{os.getpid()}"


def node_of(worker: str) -> str:
    """The node in a worker's name."""
    return worker.partition(":")[0]


def announce(job: Job) -> None:
    """Have the log say that what follows is this job's."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a user's code may have closed it
            print(_title(job.trial, job.attempt), file=stream, flush=True)


def last_words(worker: str, trial: int, attempt: int) -> str:
    """The last lines that a worker wrote in an attempt; empty where it wrote none, or where its node is gone."""
    node, _, process = worker.partition(":")
    return (on_node(node, read, int(process), trial, attempt) or "") if process else ""


def read(process: int, trial: int, attempt: int) -> str:
    """The last lines of an attempt in the log of a process of this node."""
    context = ray.get_runtime_context()
    folder = Path(context.get_temp_dir(), context.get_session_name(), "logs")
    out, err = (_lines(folder, f"worker-*-{process}.{kind}", _title(trial, attempt)) for kind in ("out", "err"))
    # What ended it usually stands among the errors, and what led there in the output: each has its half at least.
    err = err[-max(LINES // 2, LINES - len(out)) :]
    return "\n".join([*out[-(LINES - len(err)) :], *err][-LINES:])


def _title(trial: int, attempt: int) -> str:
    return f"{PREFIX}raynas.trial {trial}.{attempt}"


def _lines(folder: Path, pattern: str, title: str) -> list[str]:
    try:
        path = max(folder.glob(pattern), key=lambda found: found.stat().st_mtime, default=None)
        if path is None:
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LINES * LENGTH))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    titles = [place for place, line in enumerate(lines) if line.startswith(PREFIX)]
    if titles and lines[titles[-1]] != title:
        return []  # it died before it said whose turn it was
    return [line[:LENGTH] for line in lines[titles[-1] + 1 if titles else 0 :]]
