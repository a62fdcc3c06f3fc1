"""Events: what can happen to a trial, as it is reported to the search and committed to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raynas.search_space import Sample
from raynas.trial.trial import Cause, Trial, TrialKey


@dataclass(frozen=True)
class Event:
    """Something that happened to the trial with this number.

    Attributes:
        trial: the trial's number.
        time: when it happened, in seconds since the epoch, by the clock of whoever saw it; for people, never for order.
    """

    trial: int
    time: float


@dataclass(frozen=True)
class Proposed(Event):
    """A strategy asked for this sample; the proposal has a number from now on, whatever becomes of it."""

    sample: Sample
    key: TrialKey
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waits(Event):
    """A trial with the same key is being trained: this one waits for its result, without a slot."""

    twin: int


@dataclass(frozen=True)
class Answered(Event):
    """The trial with the same key has an outcome, and this one shares it; nothing is trained."""

    twin: Trial


@dataclass(frozen=True)
class Rejected(Event):
    """The candidate breaks a constraint or cannot run; nothing is trained."""

    reason: str


@dataclass(frozen=True)
class Started(Event):
    """A worker has begun the trial's attempt with this number (from 1)."""

    attempt: int
    worker: str = ""


@dataclass(frozen=True)
class Reported(Event):
    """The evaluator reported metrics between start and end."""

    attempt: int
    step: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Finished(Event):
    """The evaluator returned these metrics."""

    attempt: int
    metrics: Mapping[str, float]
    seconds: float = 0.0
    weights: str | None = None


@dataclass(frozen=True)
class Stopped(Event):
    """A stopper ended the trial; its last report stands for its result."""

    attempt: int
    seconds: float = 0.0
    weights: str | None = None


@dataclass(frozen=True)
class Failed(Event):
    """The trial ended without a result.

    Attributes:
        cause: the kind of failure.
        message: one line, for people: the exception's type and text.
        detail: the traceback and the last lines of output.
        blameless: whether it is the run that cannot go on, as on a full disk: the trial is to be repeated.
    """

    attempt: int
    cause: Cause
    message: str
    detail: str = ""
    seconds: float = 0.0
    blameless: bool = False


@dataclass(frozen=True)
class Requeued(Event):
    """The attempt was lost or will be repeated: the trial waits for a slot again.

    Attributes:
        cause: what ended the attempt; None where its engine ended (a crash, a resume).
    """

    cause: Cause | None = None
