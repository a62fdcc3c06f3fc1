"""Roster: which jobs an engine holds, in which tasks they are, and what follows from what is heard of these."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from itertools import islice

from raynas.engine.engine import Job
from raynas.engine.ray_engine.aftermath import Aftermath
from raynas.engine.ray_engine.batch import Batch, Held
from raynas.engine.ray_engine.errors import failed
from raynas.engine.ray_engine.pace import MOST, Pace
from raynas.engine.ray_engine.words import node_of
from raynas.trial import Cause, Event, Failed, Finished, Reported, Started, Stopped

LINGER = 0.005
"""Seconds for which news that can wait does so, for others to come: each time costs the search a commit."""

FRESH = 0.1
"""Seconds for which a worker that has asked for more is thought to be done soon."""

RELAY = 2.0
"""Seconds after which a task is given no more: whoever else waits for room in the cluster comes first then."""

News = tuple[list[Event], float]
"""Events, and for how many seconds they can wait for others."""


class Roster:
    """The jobs of an engine, from their submission to their one end.

    It decides; what is done to the cluster, others do for it.

    Args:
        pace: what jobs have taken.
        send: sends a task.
        kill: ends a task by force.

    Attributes:
        slots: how many jobs have room at the same time.
        batches: the tasks that have been sent and not ended, by name.
    """

    def __init__(self, pace: Pace, send: Callable[[Batch], None], kill: Callable[[Batch], None]) -> None:
        self.slots = 0
        self.batches: dict[str, Batch] = {}
        self._pace = pace
        self._send = send
        self._kill = kill
        self._held: dict[int, Held] = {}
        self._backlog: deque[Held] = deque()

    def add(self, job: Job) -> None:
        """Hold a job until it has ended or is cancelled."""
        held = self._held[job.trial] = Held(job)
        self._backlog.append(held)

    def fill(self) -> None:
        """Make tasks of the backlog, as far as there is room, or as they are whole."""
        while self._backlog:
            idle = max(1, self.slots) - len(self.batches)
            number = self._together()
            if idle > 0:
                share = -(-len(self._backlog) // idle)
                number = min(number or share, share)
            if not number:
                return
            alone = self._backlog[0].alone
            budgets = [held.job.budget for held in islice(self._backlog, number)]
            notice = 0 if alone or self.slots <= 1 else self._pace.notice(budgets)
            if idle <= 0 and notice:
                # Those that wait for a worker came first: they follow on tasks that are given nothing more.
                waiting = sum(not batch.worker for batch in self.batches.values())
                closed = sum(bool(batch.worker) and not batch.notice for batch in self.batches.values())
                taker = self._taker() if waiting <= closed else None
                if taker is not None:
                    taker.give([self._backlog.popleft() for _ in range(number)])
                    taker.wait(time.monotonic())
                    continue
                if waiting >= closed:
                    return
            elif idle <= 0 and number > 1 and len(self.batches) >= 2 * max(1, self.slots):
                return
            items = [self._backlog.popleft() for _ in range(number)]
            batch = Batch.of(items, self._pace.is_quick(budgets), notice)
            batch.wait(time.monotonic())
            self._send(batch)
            self.batches[batch.name] = batch

    def _taker(self) -> Batch | None:
        """The task whose worker has asked for more; not one that takes longer over its last jobs than they should."""
        now = time.monotonic()
        for batch in self.batches.values():
            if batch.asked is not None and not batch.dying and not batch.leaving:
                if now - batch.asked_at < FRESH:
                    return batch
                batch.give(())
        return None

    def _together(self) -> int:
        """How many jobs of the backlog, from the first on, make a whole task; 0: not even all of them."""
        some = list(islice(self._backlog, MOST))
        if some[0].alone:
            return 1
        number = self._pace.fill([held.job.budget for held in some])
        return next((place for place, held in enumerate(some[:number]) if held.alone), number)

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        """Let a job that has reported go on, or not."""
        held = self._held.get(trial)
        if held is not None and held.job.attempt == attempt and held.batch is not None:
            held.batch.answer(trial, stop)

    def cancel(self, trial: int) -> None:
        """Forget a job; its task is ended where that is doing it, or has nothing else to do."""
        held = self._held.pop(trial, None)
        if held is None:
            return
        batch = held.batch
        if batch is None:
            self._backlog.remove(held)
        elif held.started or not any(self._holds(other) for other in batch.left.values()):
            self._end(batch)

    def expire(self, trial: int) -> Batch | None:
        """Note that a job has taken too long; the task that is to be ended for it, after its last words were read."""
        held = self._held.get(trial)
        if held is None or held.batch is None or not held.started:
            self.cancel(trial)
        elif not held.batch.dying:
            held.batch.dying, held.batch.late = True, held
            return held.batch
        return None

    def begun(self) -> list[Started]:
        """The starts of jobs whose tasks are so short that they would tell of them when they are over."""
        now, quick = time.time(), [batch for batch in self.batches.values() if batch.quick and not batch.dying]
        items = [held for batch in quick for held in batch.left.values() if self._holds(held)]
        return [event for held in items for event in _begun(held, _start(held, now))]

    def lose(self, nodes: Collection[str]) -> list[Batch]:
        """The tasks that are gone with these nodes; those of which nobody knows where they are will be looked for."""
        for batch in self.batches.values():
            if not batch.worker:
                batch.doubtful, batch.due = True, time.monotonic()
        known = [batch for batch in self.batches.values() if batch.worker]
        return [batch for batch in known if any(node.startswith(node_of(batch.worker)) for node in nodes)]

    def silent(self) -> tuple[dict[str, list[Batch]], float]:
        """The tasks whose journals are to be looked into now, by node; the time at which there will be another one."""
        now, next_ = time.monotonic(), math.inf
        found: dict[str, list[Batch]] = {}
        for batch in self.batches.values():
            if batch.due is not None and batch.due <= now:
                batch.due = None
                found.setdefault(node_of(batch.worker), []).append(batch)
            elif batch.due is not None:
                next_ = min(next_, batch.due)
        return found, next_

    def heard(self, name: str, told: Sequence[Event], leaving: bool, worker: str = "") -> News:
        """Take what a worker tells of a task that it has not done yet."""
        batch = self.batches.get(name)
        if batch is None:  # its return was faster
            return [], math.inf
        batch.leaving = batch.leaving or leaving
        batch.heard(worker or worker_in(told), time.monotonic())
        events: list[Event] = []
        for event in told:
            # Of several jobs it may have ended the first one long before that is told: nobody must time it meanwhile.
            if not (isinstance(event, Started) and batch.several):
                events += self._noted(batch, event)
        if not batch.left:  # its worker can begin another one
            self._done(batch)
        if all(isinstance(event, Started) for event in events):
            return events, LINGER if events else math.inf
        return events, self._patience(batch)

    def asked(self, name: str, worker: str, told: Sequence[Event], more: Future[Sequence[Job]]) -> News:
        """Take what a worker tells that has few jobs left, and would go on with others; `more` will hold these."""
        batch = self.batches.get(name)
        if batch is None:
            more.set_result([])
            return [], math.inf
        news = self.heard(name, told, False, worker)
        now = time.monotonic()
        batch.asked, batch.asked_at, batch.since = more, now, min(batch.since, now)
        if batch.dying or name not in self.batches or now - batch.since >= RELAY:
            batch.give(())
        self.fill()
        return news

    def seen(self, batch: Batch, told: Sequence[Event]) -> News:
        """Take what stood in a task's journal."""
        if batch.name not in self.batches:
            return [], math.inf
        if batch.doubtful and not told:  # it has not begun on any node that is there
            self._end(batch)
            return self.ended(batch, Aftermath())
        batch.doubtful = False
        batch.worker = batch.worker or worker_in(told)
        events = [event for each in told for event in self._noted(batch, each)]
        if events:
            batch.heard("", time.monotonic())
        else:
            batch.wait(time.monotonic())
        return events, 0.0 if events else math.inf

    def reported(self, event: Reported, verdict: Future[bool]) -> News:
        """Take a job's report, which waits for its answer."""
        asked = (event.trial, event.attempt)
        for batch in self.batches.values():
            held = batch.left.get(event.trial)
            if held is not None and (held.job.trial, held.job.attempt) == asked:
                if not batch.dying and not self._holds(held):
                    break
                batch.waiting[event.trial] = verdict
                if batch.dying:
                    return [], LINGER
                return [*_begun(held, _start(held, event.time)), event], 0.0
        verdict.set_result(True)
        return [], LINGER

    def ended(self, batch: Batch, after: Aftermath) -> News:
        """Take what is left of a task that is over: at most one job is to blame, the others are sent again."""
        if batch.name not in self.batches:
            return [], math.inf
        events = [event for each in after.events or () for event in self._noted(batch, each, over=True)]
        left = [held for held in batch.left.values() if self._holds(held)]
        forgotten = any(held.started and not self._holds(held) for held in batch.left.values())  # that was being done
        now = time.time()
        if batch.late in left:
            job = batch.late.job
            left.remove(batch.late)
            detail = f"Its last output:\n{batch.said}\n" if batch.said else ""
            events.append(Failed(job.trial, now, job.attempt, Cause.TIMEOUT, "it was ended", detail))
            del self._held[job.trial]
        elif left and after.error is not None and not batch.dying and not batch.leaving and not forgotten:
            if after.events is None and batch.several:  # whose fault it was will be seen when each has a worker alone
                for held in left:
                    held.alone = True
            elif (doing := _doing(left, after)) is not None:
                left.remove(doing)
                start = _begun(doing, _start(doing, now))
                events += [*start, failed(doing.job, after.error, now, after.said)]
                del self._held[doing.job.trial]
        for held in reversed(left):
            held.batch = None
            self._backlog.appendleft(held)
        self._done(batch)
        return events, self._patience(batch) if events else LINGER

    def clear(self) -> None:
        """Forget all jobs; end all tasks."""
        self._held.clear()
        self._backlog.clear()
        for batch in list(self.batches.values()):
            batch.dying = True
            self._kill(batch)

    def _noted(self, batch: Batch, event: Event, over: bool = False) -> list[Event]:
        """What is news of a start or an end in a task; `over`: in one of which there is nothing left to end."""
        held = batch.left.get(event.trial)
        if held is None or not isinstance(event, Started | Finished | Stopped | Failed):
            return []
        if event.attempt != held.job.attempt:
            return []
        if isinstance(event, Started):
            if not self._holds(held):
                held.started = True
                if not over:
                    self._end(batch)
                return []
            return [] if batch.dying else [*_begun(held, event)]
        del batch.left[event.trial]
        self._pace.took(held.job.budget, event.seconds)
        if not self._holds(held):
            return []
        del self._held[event.trial]
        return [*_begun(held, _start(held, event.time - event.seconds)), event]

    def _patience(self, batch: Batch) -> float:
        """For how long an end in a task can wait: not at all where a worker may have nothing to do."""
        goes_on = batch.name in self.batches and bool(batch.left)
        return LINGER if len(self.batches) + goes_on > self.slots else 0.0

    def _holds(self, held: Held) -> bool:
        return self._held.get(held.job.trial) is held

    def _end(self, batch: Batch) -> None:
        if not batch.dying:
            batch.dying = True
            self._kill(batch)

    def _done(self, batch: Batch) -> None:
        self.batches.pop(batch.name, None)
        batch.release()
        self.fill()


def worker_in(told: Sequence[Event]) -> str:
    """Who has begun something; empty where nothing has begun."""
    return next((event.worker for event in told if isinstance(event, Started)), "")


def _doing(left: Sequence[Held], after: Aftermath) -> Held | None:
    """Who a worker was at when it died; None where it was between two of them: there will be fewer the next time."""
    started = next((held for held in left if held.started), None)
    done = any(not isinstance(event, Started) for event in after.events or ())
    return started if started is not None or done else left[0]


def _start(held: Held, at: float) -> Started:
    return Started(held.job.trial, at, held.job.attempt)


def _begun(held: Held, event: Started) -> list[Started]:
    """The start, where it has not been told yet: a report comes on another way, and may overtake it."""
    if held.started:
        return []
    held.started = True
    return [event]
