"""LocalEngine: every job inline, in the calling thread; no Ray, so that a debugger works."""

from __future__ import annotations

import os
import time
from collections import deque

import torch

from raynas.engine.engine import Deliver, ExecutionEngine, Job, Workplace
from raynas.engine.resources import Resources
from raynas.engine.worker import work
from raynas.errors import ResourceError
from raynas.trial import Reported, Started


class LocalEngine(ExecutionEngine):
    """One job at a time, run by `wait` itself.

    A report is delivered from within the evaluator's own call, and answered there. A cancelled job that runs, one that
    has timed out for instance, ends at its next report: nothing else can interrupt it here. The user's code is here
    already, so the workplace's pickled code is left alone.
    """

    def __init__(self, place: Workplace, resources: Resources | None = None) -> None:
        self._place = place
        self._device = "cuda:0" if resources is not None and resources.num_gpus else "cpu"
        if self._device != "cpu" and not torch.cuda.is_available():
            raise ResourceError(
                f"a trial needs num_gpus={resources.num_gpus if resources else 0:g}, and torch sees no GPU here: "
                "set num_gpus to 0, or install a build of torch for this machine's GPU"
            )
        self._name = f"local:{os.getpid()}"
        self._queue: deque[Job] = deque()
        self._stops: dict[tuple[int, int], bool] = {}
        self._cancelled: set[int] = set()

    def slots(self) -> int:
        return 1

    def submit(self, job: Job) -> None:
        self._cancelled.discard(job.trial)
        self._queue.append(job)

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        if not self._queue:
            deliver([])
            return
        job = self._queue.popleft()
        deliver([Started(job.trial, time.time(), job.attempt, self._name)])
        broken: list[BaseException] = []

        def report(event: Reported) -> bool:
            try:
                deliver([event])
            except BaseException as error:  # the search cannot go on, which is no failure of this trial
                broken.append(error)
            stop = self._stops.pop((job.trial, job.attempt), True)
            return stop or job.trial in self._cancelled or bool(broken)

        outcome = work(job, self._place, report, self._device, self._name)
        if broken:
            raise broken[0]
        deliver([outcome])

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        self._stops[trial, attempt] = stop

    def cancel(self, trial: int) -> None:
        self._cancelled.add(trial)
        self._queue = deque(job for job in self._queue if job.trial != trial)

    def wake(self) -> None:
        """Nothing to do: `wait` never sleeps."""

    def close(self) -> None:
        self._queue.clear()
