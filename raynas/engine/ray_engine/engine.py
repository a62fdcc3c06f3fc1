"""RayEngine: jobs as Ray tasks, wherever the cluster has room."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray import exceptions

from raynas.engine.engine import Deliver, ExecutionEngine, Job, Workplace
from raynas.engine.ray_engine import journal
from raynas.engine.ray_engine.aftermath import Aftermath, found
from raynas.engine.ray_engine.batch import Batch
from raynas.engine.ray_engine.calls import Kit, RayCalls
from raynas.engine.ray_engine.door import Door
from raynas.engine.ray_engine.errand import packed
from raynas.engine.ray_engine.nodes import Nodes, only
from raynas.engine.ray_engine.pace import Pace
from raynas.engine.ray_engine.pulse import Pulse
from raynas.engine.ray_engine.roster import LINGER, News, Roster, worker_in
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.ray_engine.task import told, train
from raynas.engine.ray_engine.waiting import Waiting
from raynas.engine.ray_engine.words import last_words
from raynas.engine.resources import Resources
from raynas.trial import Event, Reported, Started

REFRESH = 2.0
"""How old, in seconds, the knowledge of the cluster's nodes may become."""

SWITCH = 0.0005
"""Seconds after which a thread that computes lets another one go on. Python's own 5 ms are a short trial's whole life:
so long would the planner's thread keep those waiting that read what the workers say."""

READERS = 64
"""So many nodes and journals can be looked at at a time; threads are made as they are needed."""

TRIALS_PER_WORKER = 1000
"""So many tasks a process does before it makes room for a new one: what a user's code has left in its memory goes with
it, while a new one's start, some seconds, is spread over many trials."""

LIFE = 120.0
"""Seconds that a worker should live at least, for the same reason."""

SEVERAL_GPUS = {"env_vars": {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}}
"""A warm worker is given different GPUs over its life, while CUDA reads once which ones it may see."""


class RayEngine(ExecutionEngine):
    """Submits jobs as tasks, from within a Ray actor, through which its workers talk back.

    A task returns all that it has to tell; what takes longer is told meanwhile, by calls of the actor. Everything that
    happens is put into one queue, by Ray's thread when a task ends, and by the actor's event loop when a worker calls.
    `wait` sleeps on that queue, so that nothing is polled.

    Short jobs share a task, and tell their ends together; shortly before they are done their worker asks for more, so
    that it need not wait for another task. Beside that it keeps a journal on its node. When it dies, that says what it
    had done and in which job it was; the others are sent again, as if nothing had been. Where it says nothing for a
    while, the journal is looked into: a job that hangs has begun, those before it have ended.

    Args:
        place: what all jobs share.
        resources: what each takes.
        name: the engine's name in the hosted object, for its workers' calls.
        trials_per_worker: how many tasks a worker does before a new one takes its place, while nothing is known of how
            long they take.
        batches: whether short jobs may share a task.
        note: is told what people should know, in a line.
    """

    def __init__(
        self,
        place: Workplace,
        resources: Resources,
        name: str = "engine",
        trials_per_worker: int = TRIALS_PER_WORKER,
        batches: bool = True,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        sys.setswitchinterval(SWITCH)  # the actor has this process for itself
        # Ray warns of waiting in an actor with an event loop; here threads of the engine's own wait.
        os.environ.setdefault("RAY_WARN_BLOCKING_GET_INSIDE_ASYNC", "0")
        self._place = place
        self._resources = resources
        self._way = Door(ray.get_runtime_context().current_actor, name, ray.put(Stowed.of(place))).packed()
        self._pace = Pace(batches)
        self._roster = Roster(self._pace, self._send, self._kill)
        self._calls = trials_per_worker
        self._readers = ThreadPoolExecutor(READERS, "raynas-reader")
        pulse = Pulse(self._readers.submit, lambda: self._news.put(self._thinned))
        self._nodes = Nodes(place, resources, SEVERAL_GPUS if resources.num_gpus else None, pulse, note)
        self._waiting = Waiting(resources, note)
        self._usable = self._nodes.usable()
        self._function = self._remote()
        self._news: SimpleQueue[Callable[[], News]] = SimpleQueue()
        self._ring: Callable[[], None] = lambda: None
        self._cpus = 1.0
        self._calls_elsewhere: list[RayCalls] = []
        self._looked = -REFRESH

    def slots(self) -> int:
        if time.monotonic() - self._looked >= REFRESH:
            offers = self._nodes.look()
            self._roster.slots = sum(self._resources.fits(offer) for offer in offers)
            self._cpus = sum(offer.get("num_cpus", 0.0) for offer in offers)
            self._looked = time.monotonic()
            self._go_to(self._nodes.usable())
            self._waiting.look(self._roster.batches.values())
        return self._roster.slots

    def _go_to(self, nodes: frozenset[str]) -> None:
        """Send jobs to these nodes from now on; those that were on one that is gone, or wait for it, are lost to it."""
        gone = self._usable - nodes
        if nodes != self._usable:
            self._usable = nodes
            self._function = self._remote()
        for batch in self._roster.lose(gone) if gone else ():
            error = exceptions.NodeDiedError("its node is gone")  # type: ignore[no-untyped-call]  # Ray's own
            self._kill(batch)  # should the worker have outlived its node
            self._news.put(partial(self._roster.ended, batch, Aftermath(error, None)))

    def _thinned(self) -> News:
        """Look at the nodes at the next opportunity, for there are fewer."""
        self._looked = -REFRESH
        return [], 0.0

    def capacity(self) -> int:
        slots = self.slots()
        return slots if slots <= 1 else slots + self._pace.ahead(slots)

    def submit(self, job: Job) -> None:
        self._roster.add(job)

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        self._roster.fill()
        events: list[Event] = []
        until = min(time.monotonic() + (REFRESH if timeout is None else min(timeout, REFRESH)), self._looks())
        try:
            while True:
                more, patience = self._news.get(timeout=max(0.0, until - time.monotonic()))()
                events += more
                until = min(until, time.monotonic() + patience)
        except Empty:
            deliver(events)

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        self._roster.answer(trial, attempt, stop)

    def cancel(self, trial: int) -> None:
        self._roster.cancel(trial)

    def expire(self, trial: int) -> None:
        batch = self._roster.expire(trial)
        if batch is not None and batch.late is not None:
            self._readers.submit(self._bury, batch, batch.late.job)

    def begun(self) -> Sequence[Started]:
        return self._roster.begun()

    def wake(self) -> None:
        self._news.put(lambda: ([], 0.0))

    def alarm(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def calls(self, factory: str, argument: Any) -> RayCalls:
        kit = Kit(factory, argument, self._place.code, self._place.path)
        calls = RayCalls(kit, lambda: self._usable, self._idle)
        self._calls_elsewhere.append(calls)
        return calls

    def _idle(self) -> int:
        """How many CPUs no trial uses."""
        return int(self._cpus - self._resources.num_cpus * min(len(self._roster.batches), self._roster.slots))

    def close(self) -> None:
        for calls in self._calls_elsewhere:
            calls.close()
        self._roster.clear()
        self._readers.shutdown(wait=False)

    def report(self, event: Reported) -> Future[bool]:
        """Take a worker's report; the future will hold whether it should stop. From any thread."""
        verdict: Future[bool] = Future()
        self._news.put(lambda: self._roster.reported(event, verdict))
        self._ring()
        return verdict

    def ask(self, task: str, worker: str, events: bytes) -> Future[bytes]:
        """Take what a worker tells of a task that is nearly done; the future will hold more to do. From any thread."""
        jobs: Future[Sequence[Job]] = Future()
        more: Future[bytes] = Future()
        jobs.add_done_callback(lambda done: None if more.done() else more.set_result(packed(done.result())))
        self._news.put(partial(self._roster.asked, task, worker, told(events), jobs))
        return more

    def tell(self, task: str, events: bytes, leaving: bool) -> None:
        """Take what a worker tells of a task that it has not done yet. From any thread."""
        self._news.put(partial(self._roster.heard, task, told(events), leaving))

    def _remote(self) -> Any:
        """Ray's function for a task."""
        function = ray.remote(max_calls=self._calls)(train)
        # GPUs through `options`: given to the decorator, they would make Ray end the worker after each task.
        options = {
            "name": "raynas.trial",
            "num_cpus": self._resources.num_cpus,
            "num_gpus": self._resources.num_gpus or None,
            "resources": dict(self._resources.custom) or None,
            "max_retries": 0,
            "retry_exceptions": False,
            "runtime_env": SEVERAL_GPUS if self._resources.num_gpus else None,
            "label_selector": only(self._usable),
        }
        return function.options(**options)

    def _send(self, batch: Batch) -> None:
        self._renew()
        jobs = packed([held.job for held in batch.left.values()])
        batch.result = self._function.remote(jobs, self._way, batch.name, batch.quick, batch.notice, self._calls)
        batch.result.future().add_done_callback(partial(self._returned, batch))

    def _kill(self, batch: Batch) -> None:
        # By force: a trial in the middle of a kernel or a C library hears nothing else.
        ray.cancel(batch.result, force=True)

    def _renew(self) -> None:
        """Let workers do more tasks where these are so short that a worker would hardly have started."""
        wanted = LIFE / max(self._pace.task(), 1e-4)
        if wanted > 2 * self._calls:
            self._calls = int(wanted)
            self._function = self._remote()

    def _returned(self, batch: Batch, future: Future[bytes]) -> None:
        """Take what a task has returned, in a thread of Ray's."""
        error = future.exception()
        if error is None:
            self._news.put(lambda: self._roster.ended(batch, Aftermath(events=told(future.result()))))
        else:
            try:
                self._readers.submit(self._bewail, batch, error)
            except RuntimeError:  # there are no more threads, or the engine is closed
                self._news.put(partial(self._roster.ended, batch, Aftermath(error, None)))

    def _bewail(self, batch: Batch, error: BaseException) -> None:
        after = Aftermath(error, None)
        try:
            after = found(error, batch.name, batch.worker, batch.dying)
        finally:
            self._news.put(partial(self._roster.ended, batch, after))

    def _looks(self) -> float:
        """Have the journals of silent tasks looked into; the time at which there will be another one."""
        silent, next_ = self._roster.silent()
        for node, batches in silent.items():
            self._readers.submit(self._look, node, batches)
        return next_

    def _look(self, node: str, batches: Sequence[Batch]) -> None:
        found: Mapping[str, Sequence[Event]] = {}
        try:
            found = journal.told([batch.name for batch in batches], node, last=False)
        finally:
            for batch in batches:
                self._news.put(partial(self._roster.seen, batch, found.get(batch.name, ())))

    def _bury(self, batch: Batch, job: Job) -> None:
        """Have the worker of a job that has taken too long write down where it stands, and end it."""
        worker, said = batch.worker, ""
        try:
            worker = worker or worker_in(journal.told([batch.name], "", last=False).get(batch.name, ()))
            said = last_words(worker, job.trial, job.attempt, alive=True)
        finally:
            self._news.put(partial(self._buried, batch, worker, said))

    def _buried(self, batch: Batch, worker: str, said: str) -> News:
        batch.worker, batch.said = worker, said
        self._kill(batch)
        return [], LINGER
