"""Last words: what a worker had written when it died, read from the log that Ray keeps of it on its node."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raynas.engine.engine import Job
from raynas.engine.output import LENGTH, LINES

PREFIX = ":task_name:"
"""A line that begins so is a word from Ray's workers to its log reader: who writes what follows. Nobody is shown it."""

PATIENCE = 20.0
"""Seconds within which another node must tell what is in its log."""


def worker_name() -> str:
    """This process's name among all workers: its node, by the first letters of its id, and its number there."""
    return f"{ray.get_runtime_context().get_node_id()[:8]}:{os.getpid()}"


def announce(job: Job) -> None:
    """Have the log say that what follows is this job's."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a user's code may have closed it
            print(_title(job.trial, job.attempt), file=stream, flush=True)


def last_words(worker: str, trial: int, attempt: int) -> str:
    """The last lines that a worker wrote in an attempt; empty where it wrote none, or where its node is gone."""
    node, _, process = worker.partition(":")
    if not process:
        return ""
    if node == ray.get_runtime_context().get_node_id()[:8]:
        return read(int(process), trial, attempt)
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    there = next((item["NodeID"] for item in nodes if item["NodeID"].startswith(node) and item["Alive"]), None)
    if there is None:
        return ""
    reader: Any = ray.remote(read).options(
        num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(there, soft=False)
    )
    try:
        return str(ray.get(reader.remote(int(process), trial, attempt), timeout=PATIENCE))
    except (exceptions.RayError, TimeoutError):
        return ""


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
