"""RayEngine: jobs as Ray tasks, wherever the cluster has room."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray import exceptions

from raynas.engine.engine import Deliver, ExecutionEngine, Job, Workplace
from raynas.engine.ray_engine import journal
from raynas.engine.ray_engine.aftermath import Aftermath, found
from raynas.engine.ray_engine.batch import Batch, Held
from raynas.engine.ray_engine.calls import Kit, RayCalls
from raynas.engine.ray_engine.errors import failed
from raynas.engine.ray_engine.nodes import Nodes, only
from raynas.engine.ray_engine.pace import MOST, Pace
from raynas.engine.ray_engine.pulse import Pulse
from raynas.engine.ray_engine.stowed import Stowed
from raynas.engine.ray_engine.task import Crate, packed, told, train
from raynas.engine.ray_engine.words import last_words, node_of
from raynas.engine.resources import Resources
from raynas.trial import Cause, Event, Failed, Finished, Reported, Started, Stopped

REFRESH = 2.0
"""How old, in seconds, the knowledge of the cluster's nodes may become."""

LINGER = 0.005
"""Seconds for which news that can wait does so, for others to come: each time costs the search a commit."""

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

News = tuple[list[Event], float]
"""Events, and for how many seconds they can wait for others."""


class RayEngine(ExecutionEngine):
    """Submits jobs as tasks, from within a Ray actor, through which its workers talk back.

    A task returns all that it has to tell; what takes longer is told meanwhile, by calls of the actor. Everything that
    happens is put into one queue, by Ray's thread when a task ends, and by the actor's event loop when a worker calls.
    `wait` sleeps on that queue, so that nothing is polled.

    Short jobs share a task, and tell their ends together. Beside that the worker keeps a journal on its node. When it
    dies, that says what it had done and in which job it was; the others are sent again, as if nothing had been. Where
    it says nothing for a while, the journal is looked into: a job that hangs has begun, those before it have ended.

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
        self._crate = [ray.put(Crate(Stowed.of(place), ray.get_runtime_context().current_actor, name))]
        self._pace = Pace(batches)
        self._calls = trials_per_worker
        self._readers = ThreadPoolExecutor(READERS, "raynas-reader")
        pulse = Pulse(self._readers.submit, lambda: self._news.put(self._thinned))
        self._nodes = Nodes(place, resources, SEVERAL_GPUS if resources.num_gpus else None, pulse, note)
        self._usable = self._nodes.usable()
        self._function = self._remote()
        self._held: dict[int, Held] = {}
        self._backlog: deque[Held] = deque()
        self._batches: dict[str, Batch] = {}
        self._news: SimpleQueue[Callable[[], News]] = SimpleQueue()
        self._ring: Callable[[], None] = lambda: None
        self._slots = 0
        self._cpus = 1.0
        self._calls_elsewhere: list[RayCalls] = []
        self._looked = -REFRESH

    def slots(self) -> int:
        if time.monotonic() - self._looked >= REFRESH:
            offers = self._nodes.look()
            self._slots = sum(self._resources.fits(offer) for offer in offers)
            self._cpus = sum(offer.get("num_cpus", 0.0) for offer in offers)
            self._looked = time.monotonic()
            self._go_to(self._nodes.usable())
        return self._slots

    def _go_to(self, nodes: frozenset[str]) -> None:
        """Send jobs to these nodes from now on; those that were on one that is gone, or wait for it, are lost to it."""
        gone = self._usable - nodes
        if nodes != self._usable:
            self._usable = nodes
            self._function = self._remote()
        for batch in list(self._batches.values()) if gone else ():
            if not batch.worker:
                batch.doubtful, batch.due = True, time.monotonic()
            elif any(node.startswith(node_of(batch.worker)) for node in gone):
                error = exceptions.NodeDiedError("its node is gone")  # type: ignore[no-untyped-call]  # Ray's own
                ray.cancel(batch.result, force=True)  # should the worker have outlived its node
                self._news.put(partial(self._ended, batch, Aftermath(error, None)))

    def _thinned(self) -> News:
        """Look at the nodes at the next opportunity, for there are fewer."""
        self._looked = -REFRESH
        return [], 0.0

    def capacity(self) -> int:
        slots = self.slots()
        return slots if slots <= 1 else slots + self._pace.ahead(slots)

    def submit(self, job: Job) -> None:
        held = self._held[job.trial] = Held(job)
        self._backlog.append(held)

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        self._send()
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
        held = self._held.get(trial)
        if held is not None and held.job.attempt == attempt and held.batch is not None:
            held.batch.answer(trial, stop)

    def cancel(self, trial: int) -> None:
        held = self._held.pop(trial, None)
        if held is None:
            return
        batch = held.batch
        if batch is None:
            self._backlog.remove(held)
        elif held.started or not any(self._holds(other) for other in batch.left.values()):
            self._end(batch)

    def expire(self, trial: int) -> None:
        held = self._held.get(trial)
        if held is None or held.batch is None or not held.started:
            self.cancel(trial)
        elif not held.batch.dying:
            held.batch.dying, held.batch.late = True, held
            self._readers.submit(self._bury, held.batch, held.job)

    def begun(self) -> Sequence[Started]:
        now, quick = time.time(), [batch for batch in self._batches.values() if batch.quick and not batch.dying]
        items = [held for batch in quick for held in batch.left.values() if self._holds(held)]
        return [event for held in items for event in self._begun(held, self._start(held, now))]

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
        return int(self._cpus - self._resources.num_cpus * min(len(self._batches), self._slots))

    def close(self) -> None:
        for calls in self._calls_elsewhere:
            calls.close()
        self._held.clear()
        self._backlog.clear()
        for batch in list(self._batches.values()):
            self._kill(batch)
        self._readers.shutdown(wait=False)
        self._crate = []

    def report(self, event: Reported) -> Future[bool]:
        """Take a worker's report; the future will hold whether it should stop. From any thread."""
        verdict: Future[bool] = Future()
        self._news.put(lambda: self._reported(event, verdict))
        self._ring()
        return verdict

    def tell(self, task: str, events: bytes, leaving: bool) -> None:
        """Take what a worker tells of a task that it has not done yet. From any thread."""
        self._news.put(partial(self._heard, task, told(events), leaving))

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

    def _send(self) -> None:
        """Make tasks of the backlog, as far as there is room, or as they are whole."""
        self._renew()
        while self._backlog:
            idle = max(1, self._slots) - len(self._batches)
            number = self._together()
            if idle > 0:
                share = -(-len(self._backlog) // idle)
                number = min(number or share, share)
            if not number or (number > 1 and len(self._batches) >= 2 * max(1, self._slots)):
                return
            items = [self._backlog.popleft() for _ in range(number)]
            batch = Batch.of(items, self._pace.is_quick([held.job.budget for held in items]))
            batch.wait(time.monotonic())
            jobs = packed([held.job for held in items])
            batch.result = self._function.remote(jobs, self._crate, batch.name, batch.quick)
            self._batches[batch.name] = batch
            batch.result.future().add_done_callback(partial(self._returned, batch))

    def _renew(self) -> None:
        """Let workers do more tasks where these are so short that a worker would hardly have started."""
        wanted = LIFE / max(self._pace.task(), 1e-4)
        if wanted > 2 * self._calls:
            self._calls = int(wanted)
            self._function = self._remote()

    def _together(self) -> int:
        """How many jobs of the backlog, from the first on, make a whole task; 0: not even all of them."""
        some = list(islice(self._backlog, MOST))
        if some[0].alone:
            return 1
        number = self._pace.fill([held.job.budget for held in some])
        return next((place for place, held in enumerate(some[:number]) if held.alone), number)

    def _returned(self, batch: Batch, future: Future[bytes]) -> None:
        """Take what a task has returned, in a thread of Ray's."""
        error = future.exception()
        if error is None:
            self._news.put(lambda: self._ended(batch, Aftermath(events=told(future.result()))))
        else:
            try:
                self._readers.submit(self._bewail, batch, error)
            except RuntimeError:  # there are no more threads, or the engine is closed
                self._news.put(partial(self._ended, batch, Aftermath(error, None)))

    def _bewail(self, batch: Batch, error: BaseException) -> None:
        after = Aftermath(error, None)
        try:
            after = found(error, batch.name, batch.worker, batch.dying)
        finally:
            self._news.put(partial(self._ended, batch, after))

    def _looks(self) -> float:
        """Have the journals of silent tasks looked into; the time at which there will be another one."""
        now, next_ = time.monotonic(), math.inf
        silent: dict[str, list[Batch]] = {}
        for batch in self._batches.values():
            if batch.due is not None and batch.due <= now:
                batch.due = None
                silent.setdefault(node_of(batch.worker), []).append(batch)
            elif batch.due is not None:
                next_ = min(next_, batch.due)
        for node, batches in silent.items():
            self._readers.submit(self._look, node, batches)
        return next_

    def _look(self, node: str, batches: Sequence[Batch]) -> None:
        found: Mapping[str, Sequence[Event]] = {}
        try:
            found = journal.told([batch.name for batch in batches], node, last=False)
        finally:
            for batch in batches:
                self._news.put(partial(self._seen, batch, found.get(batch.name, ())))

    def _patience(self) -> float:
        """For how long an end can wait: not at all where a worker may have nothing to do."""
        return LINGER if len(self._batches) > self._slots else 0.0

    def _holds(self, held: Held) -> bool:
        return self._held.get(held.job.trial) is held

    def _end(self, batch: Batch) -> None:
        if not batch.dying:
            self._kill(batch)

    def _kill(self, batch: Batch) -> None:
        batch.dying = True
        # By force: a trial in the middle of a kernel or a C library hears nothing else.
        ray.cancel(batch.result, force=True)

    def _bury(self, batch: Batch, job: Job) -> None:
        """Have the worker of a job that has taken too long write down where it stands, and end it."""
        worker, said = batch.worker, ""
        try:
            worker = worker or _worker_in(journal.told([batch.name], "", last=False).get(batch.name, ()))
            said = last_words(worker, job.trial, job.attempt, alive=True)
        finally:
            self._news.put(partial(self._buried, batch, worker, said))

    def _buried(self, batch: Batch, worker: str, said: str) -> News:
        batch.worker, batch.said = worker, said
        self._kill(batch)
        return [], LINGER

    def _heard(self, name: str, told: Sequence[Event], leaving: bool) -> News:
        batch = self._batches.get(name)
        if batch is None:  # its return was faster
            return [], math.inf
        batch.leaving = leaving
        batch.heard(_worker_in(told), time.monotonic())
        events: list[Event] = []
        for event in told:
            # Of several jobs it may have ended the first one long before that is told: nobody must time it meanwhile.
            if not (isinstance(event, Started) and batch.several):
                events += self._noted(batch, event)
        if not batch.left:  # its worker can begin another one
            self._done(batch)
        if all(isinstance(event, Started) for event in events):
            return events, LINGER if events else math.inf
        return events, self._patience()

    def _seen(self, batch: Batch, told: Sequence[Event]) -> News:
        """Take what stood in a task's journal."""
        if batch.name not in self._batches:
            return [], math.inf
        if batch.doubtful and not told:  # it has not begun on any node that is there
            self._end(batch)
            return self._ended(batch, Aftermath())
        batch.doubtful = False
        batch.worker = batch.worker or _worker_in(told)
        events = [event for each in told for event in self._noted(batch, each)]
        if events:
            batch.heard("", time.monotonic())
        else:
            batch.wait(time.monotonic())
        return events, 0.0 if events else math.inf

    def _noted(self, batch: Batch, event: Event) -> list[Event]:
        """What is news of a start or an end in a task."""
        held = batch.left.get(event.trial)
        if held is None:
            return []
        if isinstance(event, Started):
            if not self._holds(held):
                self._end(batch)
            return [] if batch.dying else [*self._begun(held, event)]
        del batch.left[event.trial]
        if not isinstance(event, Finished | Stopped | Failed):
            return []
        self._pace.took(held.job.budget, event.seconds)
        if not self._holds(held):
            return []
        del self._held[event.trial]
        return [*self._begun(held, self._start(held, event.time - event.seconds)), event]

    def _reported(self, event: Reported, verdict: Future[bool]) -> News:
        asked = (event.trial, event.attempt)
        for batch in self._batches.values():
            held = batch.left.get(event.trial)
            if held is not None and (held.job.trial, held.job.attempt) == asked:
                if not batch.dying and not self._holds(held):
                    break
                batch.waiting[event.trial] = verdict
                if batch.dying:
                    return [], LINGER
                return [*self._begun(held, self._start(held, event.time)), event], 0.0
        verdict.set_result(True)
        return [], LINGER

    def _start(self, held: Held, at: float) -> Started:
        return Started(held.job.trial, at, held.job.attempt)

    def _begun(self, held: Held, event: Started) -> list[Started]:
        """The start, where it has not been told yet: a report comes on another way, and may overtake it."""
        if held.started:
            return []
        held.started = True
        return [event]

    def _ended(self, batch: Batch, after: Aftermath) -> News:
        if batch.name not in self._batches:
            return [], math.inf
        events = [event for each in after.events or () for event in self._noted(batch, each)]
        left = [held for held in batch.left.values() if self._holds(held)]
        now = time.time()
        if batch.late in left:
            job = batch.late.job
            left.remove(batch.late)
            detail = f"Its last output:\n{batch.said}\n" if batch.said else ""
            events.append(Failed(job.trial, now, job.attempt, Cause.TIMEOUT, "it was ended", detail))
            del self._held[job.trial]
        elif left and after.error is not None and not batch.dying and not batch.leaving:
            if after.events is None and batch.several:  # whose fault it was will be seen when each has a worker alone
                for held in left:
                    held.alone = True
            else:
                held = next((held for held in left if held.started), left[0])
                left.remove(held)
                start = self._begun(held, self._start(held, now))
                events += [*start, failed(held.job, after.error, now, after.said)]
                del self._held[held.job.trial]
        for held in reversed(left):
            held.batch = None
            self._backlog.appendleft(held)
        self._done(batch)
        return events, self._patience() if events else LINGER

    def _done(self, batch: Batch) -> None:
        self._batches.pop(batch.name, None)
        batch.release()
        self._send()


def _worker_in(told: Sequence[Event]) -> str:
    """Who has begun something."""
    return next((event.worker for event in told if isinstance(event, Started)), "")
