"""Last words: what a worker had written when it died, or before it is ended, read from the log that Ray keeps of it."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import ray

from raynas.engine.engine import Job
from raynas.engine.output import LENGTH, LINES
from raynas.engine.ray_engine.afar import on_node, own_node

PREFIX = ":task_name:"
"""A line that begins so is a word from Ray's workers to its log reader: who writes what follows. Nobody is shown it."""


WHERE = signal.SIGUSR2
"""Has a worker write down where it stands, whatever it is doing. Schedulers of clusters use SIGUSR1."""

MOMENT = 1.0
"""Seconds within which it must have done so."""

OWN = os.path.join("raynas", "engine", "worker.py")
"""The frames from here on outwards tell a user nothing."""


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
            stream.write(f"{_title(job.trial, job.attempt)}\n")
            stream.flush()


def tell_where_when_asked() -> None:
    """Have this process write its stack to its log when it gets the signal `WHERE`, also from within C code."""
    faulthandler.register(WHERE, file=2, all_threads=False, chain=False)


def last_words(worker: str, trial: int, attempt: int, alive: bool = False) -> str:
    """The last lines that a worker wrote in an attempt; empty where it wrote none, or where its node is gone.

    Args:
        worker: its name.
        trial: the trial's number.
        attempt: the attempt's.
        alive: whether it is still at it, and should write down where it stands.
    """
    node, _, process = worker.partition(":")
    return (on_node(node, read, int(process), trial, attempt, alive) or "") if process else ""


def read(process: int, trial: int, attempt: int, alive: bool = False) -> str:
    """The last lines of an attempt in the log of a process of this node; see `last_words`."""
    context = ray.get_runtime_context()
    folder = Path(context.get_temp_dir(), context.get_session_name(), "logs")
    title = _title(trial, attempt)
    out, err = (_lines(folder, f"worker-*-{process}.{kind}", title) for kind in ("out", "err"))
    if alive and out is not None and err is not None:
        with suppress(OSError):
            os.kill(process, WHERE)
        before, until = len(err), time.monotonic() + MOMENT
        while time.monotonic() < until and not any(OWN in line for line in (err or [])[before:]):
            time.sleep(MOMENT / 20)
            err = _lines(folder, f"worker-*-{process}.err", title)
        place = next((place for place, line in enumerate(err or ()) if place >= before and OWN in line), None)
        err = (err or [])[:place]
    # What ended it usually stands among the errors, and what led there in the output: each has its half at least.
    out, err = out or [], err or []
    err = err[-max(LINES // 2, LINES - len(out)) :]
    return "\n".join([*out[-(LINES - len(err)) :], *err][-LINES:])


def _title(trial: int, attempt: int) -> str:
    return f"{PREFIX}raynas.trial {trial}.{attempt}"


def _lines(folder: Path, pattern: str, title: str) -> list[str] | None:
    """The last lines of a log; None where they are not of the attempt with this title."""
    try:
        path = max(folder.glob(pattern), key=lambda found: found.stat().st_mtime, default=None)
        if path is None:
            return None
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LINES * LENGTH))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    titles = [place for place, line in enumerate(lines) if line.startswith(PREFIX)]
    if titles and lines[titles[-1]] != title:
        return None  # it died before it said whose turn it was
    return [line[:LENGTH] for line in lines[titles[-1] + 1 if titles else 0 :]]
