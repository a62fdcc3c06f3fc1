"""Trial: one proposal and all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from raynas.search_space import Sample


class TrialState(StrEnum):
    """Where a trial stands; the last four are ends."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INFEASIBLE = "infeasible"

    @property
    def ended(self) -> bool:
        return self in ENDS


ENDS = frozenset({TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED, TrialState.INFEASIBLE})


class Cause(StrEnum):
    """Why an attempt ended without a result."""

    EXCEPTION = "exception"
    NON_FINITE = "non-finite metric"
    OUT_OF_MEMORY = "out of memory"
    WORKER_DIED = "worker died"
    NODE_LOST = "node lost"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"

    @property
    def architectural(self) -> bool:
        """Whether the candidate itself caused it, so that a twin would fail the same way."""
        return self in (Cause.EXCEPTION, Cause.NON_FINITE, Cause.OUT_OF_MEMORY)


@dataclass(frozen=True, slots=True)  # a run keeps hundreds of thousands
class TrialKey:
    """What makes two trainings the same: equal keys, equal result.

    Attributes:
        fingerprint: of the frozen, simplified graph.
        evaluator: the evaluator's recipe with its choices made, as a digest.
        code: digest of the source of user-defined units and evaluator.
        budget: what the strategy allowed this trial, in the evaluator's unit (epochs, usually).
        warm_start: number of the trial whose weights it starts from.
        replicate: 0 for the first training of a candidate, 1 for its repetition, …
    """

    fingerprint: str
    evaluator: str = ""
    code: str = ""
    budget: float | None = None
    warm_start: int | None = None
    replicate: int = 0


@dataclass(frozen=True, slots=True)  # a run keeps hundreds of thousands
class Report:
    """Metrics that an evaluator reported at a step (an epoch, usually)."""

    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)  # a run keeps hundreds of thousands
class Trial:
    """One proposal, at one moment.

    Attributes:
        number: its place among all proposals of the search, from 0.
        sample: what the strategy asked for.
        key: what makes it the same as another.
        state: where it stands.
        note: the strategy's own JSON data, stored with the trial.
        metrics: its result; empty until it has one.
        reports: what the evaluator reported on the way, of the current attempt.
        twin: number of the trial whose result this one shares.
        attempts: how often a worker has begun it.
        cause: why it failed; of an open trial: what ended an earlier attempt.
        message: one line on the failure or on why it is infeasible.
        detail: traceback and last output of a failed trial.
        order: its place among the trials that have ended, from 0; None until then.
        proposed, started, ended: times, in seconds since the epoch.
        seconds: what its last attempt took on the worker.
        weights: where its weights lie, relative to the run's artifacts.
    """

    number: int
    sample: Sample
    key: TrialKey
    state: TrialState = TrialState.QUEUED
    note: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    reports: tuple[Report, ...] = ()
    twin: int | None = None
    attempts: int = 0
    cause: Cause | None = None
    message: str = ""
    detail: str = ""
    order: int | None = None
    proposed: float = 0.0
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    weights: str | None = None

    @property
    def budget(self) -> float | None:
        return self.key.budget

    @property
    def warm_start(self) -> int | None:
        return self.key.warm_start

    @property
    def has_result(self) -> bool:
        """Whether it ended with metrics; a trial that was stopped before its first report did not."""
        return self.state in (TrialState.FINISHED, TrialState.STOPPED) and bool(self.metrics)

    @property
    def trained(self) -> bool:
        """Whether its result is its own, rather than a twin's."""
        return self.has_result and self.twin is None
