"""Batch: the jobs of one task, and what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from raynas.engine.engine import Job


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
        journal: the name of the journal that the worker keeps of several jobs; empty for a single one.
        stream: Ray's generator of what the task yields.
        worker: who does it; empty before it has begun.
        heard: when the worker was last heard of, by the monotonic clock.
        asked: whether its journal has been looked into since then.
        dying: whether it is being ended by force. It still tells what it did before it heard of that; nothing more is
            begun by what it says, and none of its reports is answered, or it would go on to a job that it cannot end.
        late: the job because of which it is being ended, whose end is still to be told; None: there is none.
        said: what that job had said, and where it stood.
        leaving: whether its worker has said that it makes room for a new one, which is nobody's fault.
        waiting: the reports that are not answered, by trial.
    """

    left: dict[int, Held]
    journal: str = ""
    stream: Any = None
    worker: str = ""
    heard: float = 0.0
    asked: bool = False
    dying: bool = False
    late: Held | None = None
    said: str = ""
    leaving: bool = False
    waiting: dict[int, Future[bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Sequence[Held]) -> Batch:
        """A task of these."""
        batch = cls({held.job.trial: held for held in items}, uuid.uuid4().hex if len(items) > 1 else "")
        for held in items:
            held.batch = batch
        return batch

    def answer(self, trial: int, stop: bool) -> None:
        """Let the worker that waits on this trial's report go on."""
        verdict = self.waiting.pop(trial, None)
        if verdict is not None and not verdict.done():
            verdict.set_result(stop)

    def release(self) -> None:
        """Answer what is still waiting: whoever asked is gone."""
        for trial in list(self.waiting):
            self.answer(trial, True)
