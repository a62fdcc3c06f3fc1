"""The task: what runs in a Ray worker, once for each job."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import ray

from raynas.engine.engine import Job, Workplace
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.travel import extend_path, unpack
from raynas.engine.worker import Outcome, work
from raynas.trial import Reported, Started


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


def train(job: Job, crate: list[ray.ObjectRef[Crate]]) -> Outcome:
    """Do one job.

    Args:
        job: what to train.
        crate: a reference in a list, which Ray hands over as it is: the contents come once for each process.
    """
    known = crate[0].hex()
    if known not in _unpacked:
        _unpacked.clear()
        opened = ray.get(crate[0])
        extend_path(opened.stowed.place.path)
        unpack(opened.stowed.place.code)
        _unpacked[known] = opened, opened.stowed.unpacked()
    found, place = _unpacked[known]
    door, engine = found.door, found.engine
    context = ray.get_runtime_context()
    name = f"{context.get_node_id()[:8]}:{os.getpid()}"
    door.call.remote(f"{engine}.tell", Started(job.trial, time.time(), job.attempt, name))

    def report(event: Reported) -> bool:
        return bool(ray.get(door.call.remote(f"{engine}.report", event)))

    # Which GPU is this task's own may differ from task to task, so all stay visible and the device is named.
    gpus = ray.get_gpu_ids()
    return work(job, place, report, f"cuda:{gpus[0]}" if gpus else "cpu", name)
