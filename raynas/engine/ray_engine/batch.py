"""Batch: the jobs of one task, and what became of each."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from raynas.engine.engine import Job

SILENCE = 0.25
"""Seconds without a word from a task, after which its journal is looked into, where it may tell something."""

QUEUED = 1.0
"""The same where nobody knows yet which worker does it, so that all nodes are asked: mostly it has not begun."""

RARELY = 8.0
"""Where it tells nothing, it is looked into less and less, but every so many seconds."""


@dataclass(eq=False)
class Held:
    """A job that the engine holds.

    Attributes:
        job: the job.
        batch: the task that it travels in; None before it is sent.
        started: whether its start has been told.
        alone: whether it may have ended a worker, so that it shares no task any more.
    """

    job: Job
    batch: Batch | None = None
    started: bool = False
    alone: bool = False


@dataclass(eq=False)
class Batch:
    """One task: its jobs are done one after the other.

    Attributes:
        left: those whose end has not been heard of, in order.
        several: whether it has more than one job.
        quick: whether it should be over before there is anything to be told of it, and tells its start to nobody.
        name: the task's own, and its journal's.
        result: Ray's reference to what the task returns.
        worker: who does it; empty as long as that is not known.
        due: when its journal is to be looked into, by the monotonic clock; None: while that goes on, or never.
        silence: seconds without a word after which that is done.
        dying: whether it is being ended by force. It still tells what it did before it heard of that; nothing more is
            begun by what it says, and none of its reports is answered, or it would go on to a job that it cannot end.
        late: the job because of which it is being ended, whose end is still to be told; None: there is none.
        said: what that job had said, and where it stood.
        doubtful: whether a node has gone that may be where it is.
        leaving: whether its worker has said that it makes room for a new one, which is nobody's fault.
        waiting: the reports that are not answered, by trial.
        notice: with so many jobs left its worker asks for more; 0: it does not, or was refused.
        asked: takes what it is given then; None: it has not asked, or has been given some.
        asked_at: when, by the monotonic clock.
        since: when it asked first.
    """

    left: dict[int, Held]
    several: bool
    quick: bool = False
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    result: Any = None
    worker: str = ""
    due: float | None = None
    silence: float = QUEUED
    dying: bool = False
    late: Held | None = None
    said: str = ""
    doubtful: bool = False
    leaving: bool = False
    waiting: dict[int, Future[bool]] = field(default_factory=dict)
    notice: int = 0
    asked: Future[Sequence[Job]] | None = None
    asked_at: float = 0.0
    since: float = math.inf

    @classmethod
    def of(cls, items: Sequence[Held], quick: bool, notice: int = 0) -> Batch:
        """A task of these."""
        batch = cls({held.job.trial: held for held in items}, len(items) > 1, quick, notice=notice)
        for held in items:
            held.batch = batch
        return batch

    def give(self, items: Sequence[Held]) -> None:
        """Add to its jobs what its worker has asked for; nothing: it is not to ask again."""
        for held in items:
            held.batch = self
            self.left[held.job.trial] = held
        if items:
            self.several = True
        else:
            self.notice = 0
        if self.asked is not None and not self.asked.done():
            self.asked.set_result([held.job for held in items])
        self.asked = None

    def heard(self, worker: str, now: float) -> None:
        """Note a word from its worker."""
        self.worker = worker or self.worker
        self.silence = SILENCE if self.worker else QUEUED
        self.wait(now)

    def wait(self, now: float) -> None:
        """Look into its journal after some silence, if that can tell what its worker does not."""
        unknown = any(not held.started for held in self.left.values())
        self.due = now + self.silence if self.several or (self.quick and unknown) else None
        self.silence = min(2 * self.silence, RARELY)

    def answer(self, trial: int, stop: bool) -> None:
        """Let the worker that waits on this trial's report go on."""
        verdict = self.waiting.pop(trial, None)
        if verdict is not None and not verdict.done():
            verdict.set_result(stop)

    def release(self) -> None:
        """Answer what is still waiting: whoever asked is gone."""
        self.give(())
        for trial in list(self.waiting):
            self.answer(trial, True)
