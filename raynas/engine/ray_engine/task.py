"""The task: what runs in a Ray worker, for one job or for several short ones."""

from __future__ import annotations

import os
import pickle
import time
import zlib
from collections.abc import Sequence
from typing import Any

import ray

from raynas.engine.engine import Job, Workplace
from raynas.engine.gpu import device_of
from raynas.engine.memory import Watermark
from raynas.engine.ray_engine.forks import let_go_when_forked
from raynas.engine.ray_engine.journal import Journal
from raynas.engine.ray_engine.stowed import Stowed, fetched
from raynas.engine.ray_engine.words import announce, tell_where_when_asked, worker_name
from raynas.engine.surroundings import spoiled
from raynas.engine.travel import extend_path, unpack
from raynas.engine.worker import work
from raynas.errors import ResourceError
from raynas.trial import Event, Reported, Started


class Door:
    """The way to an engine.

    Args:
        actor: the actor in which it lives.
        engine: the engine's name there.
        stowed: what its jobs share.
    """

    def __init__(self, actor: Any, engine: str, stowed: ray.ObjectRef[Stowed]) -> None:
        self._actor, self._engine, self._stowed = actor, engine, stowed

    def packed(self) -> bytes:
        """The door on its way to the workers, as bytes that are always the same: each opens them once. Given to a task
        as it is, its references would be made, counted and given back with each. So the object stays for as long as
        this process."""
        packed: bytes = ray.cloudpickle.dumps((self._actor, self._engine, self._stowed))
        return packed

    def place(self) -> Workplace:
        """What the engine's jobs share."""
        stowed: Stowed = fetched(self._stowed)
        return stowed.unpacked()

    def report(self, event: Reported) -> bool:
        """Tell what an evaluator reports; whether it is to stop."""
        return bool(fetched(self._actor.call.remote(f"{self._engine}.report", event)))

    def tell(self, task: str, events: bytes, leaving: bool = False) -> None:
        """Tell what has happened in a task; and have it arrive, where the process ends."""
        told = self._actor.call.remote(f"{self._engine}.tell", task, events, leaving)
        if leaving:
            fetched(told)


_doors: dict[bytes, Door] = {}
"""The one that this process's tasks have in common, as it came."""

_places: dict[bytes, Workplace] = {}
"""What the jobs share that come through it."""

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


def train(jobs: bytes, way: bytes, name: str, quick: bool = False) -> bytes:
    """Do some jobs, one after the other.

    What takes its time is told meanwhile: the first start, but for a quick task's; then ends, those of short jobs
    several at a time; and that the process ends, for a new one with its full memory, before the jobs that are left were
    begun. What the evaluators report goes another way, for it needs an answer. Each start and each end is written down
    at once, for those who miss the task's word.

    Args:
        jobs: what to train, `packed`.
        way: the engine's door, `Door.packed`.
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
        door = _door(way)
        if not quick:
            door.tell(name, _begun(todo[0], worker))
        place = _place(way)
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


def _door(way: bytes) -> Door:
    if way not in _doors:
        _doors.clear()
        _places.clear()
        _doors[way] = Door(*pickle.loads(way))
    return _doors[way]


def _place(way: bytes) -> Workplace:
    """What the jobs share, with the user's code at its place."""
    if way not in _places:
        place = _doors[way].place()
        extend_path(place.path)
        unpack(place.code)
        _places[way] = place
    return _places[way]


def _level(share: float) -> Watermark:
    """This process's, by its fair part of the machine and a GPU's `share`."""
    if not _watermark:
        tell_where_when_asked()
        assigned = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call]  # Ray's own
        cpus = assigned.get("CPU", 1)
        _watermark.append(Watermark(min(1.0, cpus / (os.cpu_count() or 1)), share))
    return _watermark[0]
