"""The task: what runs in a Ray worker, for one job or for several short ones."""

from __future__ import annotations

import os
import pickle
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray

from raynas.engine.engine import Job, Workplace
from raynas.engine.gpu import device_of
from raynas.engine.memory import Watermark
from raynas.engine.ray_engine.forks import let_go_when_forked
from raynas.engine.ray_engine.journal import Journal
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.ray_engine.words import announce, tell_where_when_asked, worker_name
from raynas.engine.surroundings import spoiled
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


_crates: dict[str, Crate] = {}
"""This process's crate, by the id of the object that it came in."""

_places: dict[str, Workplace] = {}
"""What was in it, by the same."""

_watermark: list[Watermark] = []
"""This process's, once it has begun its first task."""

TELLING = 0.1
"""Seconds for which the ends of short jobs are collected: each message costs both sides more than such a job."""


def packed(jobs: Sequence[Job]) -> bytes:
    """Jobs on their way to a worker: their texts have much in common."""
    return zlib.compress(pickle.dumps(jobs), 1)


def told(data: bytes) -> list[Event]:
    """What a task has said; the engine's own worker made it."""
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


def train(jobs: bytes, crate: list[ray.ObjectRef[Crate]], name: str, quick: bool = False) -> bytes:
    """Do some jobs, one after the other.

    What takes its time is told meanwhile: the first start, but for a quick task's; then ends, those of short jobs
    several at a time; and that the process ends, for a new one with its full memory, before the jobs that are left were
    begun. What the evaluators report goes another way, for it needs an answer. Each start and each end is written down
    at once, for those who miss the task's word.

    Args:
        jobs: what to train, `packed`.
        crate: a reference in a list, which Ray hands over as it is: the contents come once for each process.
        name: the task's.
        quick: whether all should be over soon.

    Returns:
        The ends of all jobs, whether or not they have been told before, pickled.
    """
    let_go_when_forked()
    worker = worker_name()
    todo: Sequence[Job] = pickle.loads(zlib.decompress(jobs))
    with Journal(name) as written:
        begun_at = time.monotonic()
        written.write(_begun(todo[0], worker))
        door = _door(crate)
        if not quick:
            door.tell(name, _begun(todo[0], worker))
        place = _unfolded(crate)
        device, share = own_gpu()
        level = _level(share)
        ends: list[Event] = []
        told = 0
        for line, job in enumerate(todo):
            if line:
                written.write(_begun(job, worker))
            announce(job)
            ends.append(work(job, place, door.report, device, worker, share))
            written.write(pickle.dumps(ends[-1:]))
            last = line == len(todo) - 1
            late = time.monotonic() - begun_at >= TELLING
            # A GPU that was lost is noticed before the next job; to look at the memory takes as long as a short one.
            if spoiled() or ((last or late or device != "cpu") and level.passed(device)):
                door.tell(name, pickle.dumps(ends[told:]), leaving=True)
                os._exit(0)  # what a trial has left in memory goes with its process
            if late and not last:
                door.tell(name, pickle.dumps(ends[told:]))
                told, begun_at = len(ends), time.monotonic()
    return pickle.dumps(ends)


def _begun(job: Job, worker: str) -> bytes:
    return pickle.dumps([Started(job.trial, time.time(), job.attempt, worker)])


class _Door:
    """The way to the engine.

    Args:
        crate: says where it is.
    """

    def __init__(self, crate: Crate) -> None:
        self._actor, self._engine = crate.door, crate.engine

    def report(self, event: Reported) -> bool:
        """Tell what an evaluator reports; whether it is to stop."""
        return bool(_answer(self._actor.call.remote(f"{self._engine}.report", event)))

    def tell(self, task: str, events: bytes, leaving: bool = False) -> None:
        """Tell what has happened in a task; and have it arrive, where the process ends."""
        told = self._actor.call.remote(f"{self._engine}.tell", task, events, leaving)
        if leaving:
            _answer(told)


def _door(crate: list[ray.ObjectRef[Crate]]) -> _Door:
    """The way to the engine that all jobs of a crate have in common."""
    known = crate[0].hex()
    if known not in _crates:
        _crates.clear()
        _places.clear()
        _crates[known] = _answer(crate[0])
    return _Door(_crates[known])


def _unfolded(crate: list[ray.ObjectRef[Crate]]) -> Workplace:
    """What the jobs share, with the user's code at its place."""
    known = crate[0].hex()
    if known not in _places:
        stowed = _crates[known].stowed
        extend_path(stowed.place.path)
        unpack(stowed.place.code)
        _places[known] = stowed.unpacked()
    return _places[known]


def _level(share: float) -> Watermark:
    """This process's, by its fair part of the machine and a GPU's `share`."""
    if not _watermark:
        tell_where_when_asked()
        assigned = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]  # Ray's own
        cpus = assigned.get("CPU", 1)
        _watermark.append(Watermark(min(1.0, cpus / (os.cpu_count() or 1)), share))
    return _watermark[0]
