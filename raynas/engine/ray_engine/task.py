"""The task: what runs in a Ray worker, for one job or for several short ones."""

from __future__ import annotations

import os
import pickle
import time

import ray

from raynas.engine.engine import Job, Workplace
from raynas.engine.gpu import device_of
from raynas.engine.memory import Watermark
from raynas.engine.ray_engine.door import Door
from raynas.engine.ray_engine.errand import Errand, unpacked
from raynas.engine.ray_engine.forks import let_go_when_forked
from raynas.engine.ray_engine.journal import Journal
from raynas.engine.ray_engine.words import announce, tell_where_when_asked, worker_name
from raynas.engine.surroundings import spoiled
from raynas.engine.travel import extend_path, unpack
from raynas.engine.worker import work
from raynas.errors import ResourceError
from raynas.trial import Event, Started

_doors: dict[bytes, Door] = {}
"""The one that this process's tasks have in common, as it came."""

_places: dict[bytes, Workplace] = {}
"""What the jobs share that come through it."""

_watermark: list[Watermark] = []
"""This process's, once it has begun its first task."""

LOOKING = 0.05
"""Seconds after which the memory is looked at that short jobs have left."""


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


def train(jobs: bytes, way: bytes, name: str, quick: bool = False, notice: int = 0, hands: int = 1) -> bytes:
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
        notice: with so many jobs left it asks for more; 0: it does not.
        hands: when its process has been given more so many times, it does what it has and ends.

    Returns:
        The ends of all jobs, pickled, but for those of which the engine is known to have heard.
    """
    let_go_when_forked()
    worker = worker_name()
    first, *others = unpacked(jobs)
    with Journal(name) as written:
        began = time.monotonic()
        written.write(_begun(first, worker))
        door = _door(way)
        if not quick:
            door.tell(name, _begun(first, worker))
        place = _place(way)
        device, share = own_gpu()
        level = _level(share)
        errand = Errand([first, *others], door, name, worker, notice, hands, began)
        looked = began
        while errand.left:
            job = errand.take()
            if job is not first:
                written.write(_begun(job, worker))
            announce(job)
            end = work(job, place, door.report, device, worker, share)
            written.write(pickle.dumps([end]))
            errand.note(end)
            # A GPU that was lost is noticed before the next job; to look at the memory takes as long as a short one.
            look = not errand.left or device != "cpu" or time.monotonic() - looked >= LOOKING
            if spoiled() or errand.worn or (look and level.passed(device)):
                errand.tell(leaving=True)
                os._exit(0)  # what a trial has left in memory goes with its process
            looked = time.monotonic() if look else looked
            if errand.left:
                errand.tell_in_time()
    return pickle.dumps(errand.ends)


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
