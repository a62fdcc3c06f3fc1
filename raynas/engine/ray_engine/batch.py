"""Batch: the jobs of one task, and what became of each."""

from __future__ import annotations

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
    """

    job: Job
    batch: Batch | None = None
    started: bool = False


@dataclass(eq=False)
class Batch:
    """One task: its jobs are done one after the other.

    Attributes:
        left: those whose end has not been heard of, in order; the task is at the first one or about to begin it.
        stream: Ray's generator of what the task yields.
        dying: whether it is being ended by force. It still tells what it did before it heard of that; nothing more is
            begun by what it says, and none of its reports is answered, or it would go on to a job that it cannot end.
        leaving: whether its worker has said that it makes room for a new one, which is nobody's fault.
        waiting: the reports that are not answered, by trial.
    """

    left: dict[int, Held]
    stream: Any = None
    dying: bool = False
    leaving: bool = False
    waiting: dict[int, Future[bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, items: Sequence[Held]) -> Batch:
        """A task of these."""
        batch = cls({held.job.trial: held for held in items})
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
