"""RayEngine: jobs as Ray tasks, wherever the cluster has room."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray import exceptions

from raynas.engine.engine import Deliver, ExecutionEngine, Job, Workplace
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.ray_engine.task import Crate, train
from raynas.engine.resources import Resources
from raynas.engine.worker import one_line
from raynas.trial import Cause, Event, Failed, Reported, Started

REFRESH = 2.0
"""How old, in seconds, the knowledge of the cluster's nodes may become."""

TRIALS_PER_WORKER = 1000
"""So many tasks a process does before it makes room for a new one: what a user's code has left in its memory goes with
it, while a new one's start, some seconds, is spread over many trials."""

SEVERAL_GPUS = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
"""A warm worker is given different GPUs over its life, while CUDA reads once which ones it may see."""


@dataclass
class _Held:
    job: Job
    ref: ray.ObjectRef[Any]
    started: bool = False
    report: Future[bool] | None = None


class RayEngine(ExecutionEngine):
    """Submits each job as one task, from within a Ray actor, through which its workers talk back.

    Everything that happens is put into one queue: by Ray's own threads when a task ends, by the actor's event loop when
    a worker calls `tell` or `report`. `wait` sleeps on that queue, so that nothing is polled.

    Args:
        place: what all jobs share.
        resources: what each takes.
        name: the engine's name in the hosted object, for its workers' calls.
        trials_per_worker: how many jobs a worker does before a new one takes its place.
    """

    def __init__(
        self, place: Workplace, resources: Resources, name: str = "engine", trials_per_worker: int = TRIALS_PER_WORKER
    ) -> None:
        self._resources = resources
        door = ray.get_runtime_context().current_actor
        self._crate = [ray.put(Crate(Stowed.of(place), door, name))]
        # GPUs through `options`: given to the decorator, they would make Ray end the worker after each task.
        self._train: Any = ray.remote(max_calls=trials_per_worker)(train).options(
            name="raynas.trial",
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus or None,
            resources=dict(resources.custom) or None,
            max_retries=0,
            retry_exceptions=False,
            runtime_env=SEVERAL_GPUS if resources.num_gpus else None,
        )
        self._held: dict[int, _Held] = {}
        self._cancelled: dict[str, _Held] = {}
        self._news: SimpleQueue[Callable[[], list[Event]]] = SimpleQueue()
        self._slots = 0
        self._looked = -REFRESH

    def slots(self) -> int:
        if time.monotonic() - self._looked >= REFRESH:
            self._slots = sum(self._resources.fits(offer) for offer in offers())
            self._looked = time.monotonic()
        return self._slots

    def submit(self, job: Job) -> None:
        ref = self._train.remote(job, self._crate)
        self._held[job.trial] = _Held(job, ref)

        def ended(future: Future[Any]) -> None:
            self._news.put(lambda: self._ended(job, ref, future))

        ref.future().add_done_callback(ended)  # not ray.wait, which would have to be called again and again

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        events: list[Event] = []
        try:
            events += self._news.get(timeout=REFRESH if timeout is None else min(timeout, REFRESH))()
            while True:
                events += self._news.get_nowait()()
        except Empty:
            deliver(events)

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        held = self._held.get(trial)
        if held is not None and held.job.attempt == attempt:
            _resolve(held, stop)

    def cancel(self, trial: int) -> None:
        held = self._held.pop(trial, None)
        if held is not None:
            # By force: a trial in the middle of a kernel or a C library hears nothing else. Until it is gone, none of
            # its reports is answered, or its worker would go on to the next trial and be killed with that.
            ray.cancel(held.ref, force=True)
            self._cancelled[held.ref.hex()] = held

    def wake(self) -> None:
        self._news.put(list)

    def close(self) -> None:
        for trial in list(self._held):
            self.cancel(trial)
        self._crate = []

    def tell(self, event: Event) -> None:
        """Take a worker's event; from any thread."""
        self._news.put(lambda: self._heard(event))

    def report(self, event: Reported) -> Future[bool]:
        """Take a worker's report; the future will hold whether it should stop. From any thread."""
        verdict: Future[bool] = Future()
        self._news.put(lambda: self._reported(event, verdict))
        return verdict

    def _of(self, trial: int, attempt: int) -> _Held | None:
        held = self._held.get(trial)
        return held if held is not None and held.job.attempt == attempt else None

    def _heard(self, event: Event) -> list[Event]:
        held = self._of(event.trial, event.attempt) if isinstance(event, Started) else None
        if held is None or held.started:
            return []
        held.started = True
        return [event]

    def _reported(self, event: Reported, verdict: Future[bool]) -> list[Event]:
        held = self._of(event.trial, event.attempt)
        if held is None:
            dying = (item for item in self._cancelled.values() if item.job.trial == event.trial)
            if (cancelled := next(dying, None)) is not None:
                cancelled.report = verdict
            else:
                verdict.set_result(True)
            return []
        held.report = verdict
        return [*self._begun(held, event.time), event]

    def _begun(self, held: _Held, at: float) -> list[Event]:
        """The start, where it has not been heard of yet: it comes on another way than what follows it."""
        return self._heard(Started(held.job.trial, at, held.job.attempt))

    def _ended(self, job: Job, ref: ray.ObjectRef[Any], future: Future[Any]) -> list[Event]:
        cancelled = self._cancelled.pop(ref.hex(), None)
        if cancelled is not None:
            _resolve(cancelled, True)
        held = self._of(job.trial, job.attempt)
        if held is None or held.ref != ref:
            return []
        error = future.exception()
        now = time.time()
        outcome = future.result() if error is None else failed(job, error, now)
        events = [*self._begun(held, now - outcome.seconds), outcome]
        del self._held[job.trial]
        return events


def _resolve(held: _Held, stop: bool) -> None:
    if held.report is not None and not held.report.done():
        held.report.set_result(stop)


def failed(job: Job, error: BaseException, now: float) -> Failed:
    """What Ray's error says of a job."""
    causes: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Cause, str], ...] = (
        (exceptions.OutOfMemoryError, Cause.OUT_OF_MEMORY, "its node ran out of memory, and its worker was ended"),
        ((exceptions.NodeDiedError, exceptions.LocalRayletDiedError), Cause.NODE_LOST, "its node is gone"),
        (exceptions.WorkerCrashedError, Cause.WORKER_DIED, "its worker process ended without a word"),
        (exceptions.TaskCancelledError, Cause.CANCELLED, "its task was cancelled"),
        (exceptions.ObjectLostError, Cause.NODE_LOST, "its result was lost with the node that held it"),
    )
    for kind, cause, message in causes:
        if isinstance(error, kind):
            return Failed(job.trial, now, job.attempt, cause, message, str(error))
    inner = getattr(error, "cause", None) or error
    return Failed(job.trial, now, job.attempt, Cause.EXCEPTION, one_line(inner), str(error))


def offers() -> list[Mapping[str, float]]:
    """What each node of the cluster has in all, in the words of `Resources`."""
    words = {"CPU": "num_cpus", "GPU": "num_gpus"}
    return [
        {words.get(name, name): amount for name, amount in node["Resources"].items()}
        for node in ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
        if node["Alive"]
    ]
