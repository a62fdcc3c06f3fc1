"""The task: what runs in a Ray worker, for one job or for several short ones."""

from __future__ import annotations

import os
import pickle
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from raynas.engine.engine import Job, Workplace
from raynas.engine.gpu import device_of
from raynas.engine.memory import Watermark
from raynas.engine.ray_engine.journal import Journal
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.ray_engine.words import announce, tell_where_when_asked, worker_name
from raynas.engine.travel import extend_path, unpack
from raynas.engine.worker import work
from raynas.errors import ResourceError
from raynas.trial import Event, Reported, Started


@dataclass(frozen=True)
class Crate:
    """What every worker of one engine needs once.

    Attributes:
        stowed: what all jobs share.
        door: the actor in which the engine lives.
        engine: the engine's name there.
    """

    stowed: Stowed
    door: Any
    engine: str


_unpacked: dict[str, tuple[Crate, Workplace]] = {}
"""This process's crate and what was in it, by the id of the object that it came in."""


_watermark: list[Watermark] = []
"""This process's, once it has begun its first task."""

TELLING = 0.1
"""Seconds for which the ends of short jobs are collected: each message costs both sides more than such a job."""

FAREWELL = 1.0
"""Seconds that a process which makes room for a new one gives what it has said to arrive."""


def packed(jobs: Sequence[Job]) -> bytes:
    """Jobs on their way to a worker: their texts have much in common."""
    return zlib.compress(pickle.dumps(jobs), 1)


def told(data: bytes) -> list[Event]:
    """What a task has yielded; the engine's own worker made it."""
    events: list[Event] = pickle.loads(data)
    return events


def _answer(ref: ray.ObjectRef[Any]) -> Any:
    """What `ray.get` returns. That one would tell Ray that this worker waits, and Ray would give its CPU to the next
    task: with a new process, which takes seconds to start and is then one too many."""
    return ref.future().result()


def own_gpu() -> tuple[str, float]:
    """The device that this task was given, in torch's words, and how much of it.

    Which GPU is a task's own may differ from task to task, so all stay visible and the device is named.
    """
    given = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]  # Ray's own
    share = max((amount for name, amount in given.items() if name == "GPU" or name.startswith("GPU_group_")), default=0)
    device = device_of(ray.get_gpu_ids(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if share and device == "cpu":
        raise ResourceError(f"a trial was given num_gpus={share:g} on a node whose CUDA_VISIBLE_DEVICES is empty")
    return device, share


def train(jobs: bytes, crate: list[ray.ObjectRef[Crate]], journal: str = "") -> Iterator[bytes]:
    """Do some jobs, one after the other.

    Args:
        jobs: what to train, `packed`.
        crate: a reference in a list, which Ray hands over as it is: the contents come once for each process.
        journal: under which name to write down, at once, each start and each end; empty: nowhere.

    Yields:
        Events: the first start; then the ends, those of short jobs several at a time. None at all: the process ends,
        for a new one with its full memory, and the jobs that are left were not begun. What the evaluators report goes
        another way, for it needs an answer.
    """
    name = worker_name()
    todo: Sequence[Job] = pickle.loads(zlib.decompress(jobs))

    def begun(job: Job) -> bytes:
        return pickle.dumps([Started(job.trial, time.time(), job.attempt, name)])

    with Journal(journal) as written:
        first = begun(todo[0])
        written.write(first)
        yield first
        told_at = time.monotonic()
        place, report = _opened(crate)
        device, share = own_gpu()
        level = _level(share)
        untold: list[Event] = []
        for line, job in enumerate(todo):
            if line:
                written.write(begun(job))
            announce(job)
            untold.append(work(job, place, report, device, name, share))
            written.write(pickle.dumps(untold[-1:]))
            late = line == len(todo) - 1 or time.monotonic() - told_at >= TELLING
            # A GPU that was lost is noticed before the next job; to look at the memory takes as long as a short one.
            full = (late or device != "cpu") and level.passed(device)
            if late or full:
                yield pickle.dumps(untold)
                untold, told_at = [], time.monotonic()
            if full:  # what a trial has left in memory goes with its process
                yield pickle.dumps([])
                time.sleep(FAREWELL)
                os._exit(0)


def _opened(crate: list[ray.ObjectRef[Crate]]) -> tuple[Workplace, Callable[[Reported], bool]]:
    """What the jobs share, and the way to report."""
    known = crate[0].hex()
    if known not in _unpacked:
        _unpacked.clear()
        opened: Crate = _answer(crate[0])
        extend_path(opened.stowed.place.path)
        unpack(opened.stowed.place.code)
        _unpacked[known] = opened, opened.stowed.unpacked()
    found, place = _unpacked[known]
    door, engine = found.door, found.engine

    def report(event: Reported) -> bool:
        return bool(_answer(door.call.remote(f"{engine}.report", event)))

    return place, report


def _level(share: float) -> Watermark:
    """This process's, by its fair part of the machine and a GPU's `share`."""
    if not _watermark:
        tell_where_when_asked()
        assigned = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]  # Ray's own
        cpus = assigned.get("CPU", 1)
        _watermark.append(Watermark(min(1.0, cpus / (os.cpu_count() or 1)), share))
    return _watermark[0]
