"""Decisions: what the state wants done, as plain data; the loop does it, in the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from raynas.errors import RaynasError
from raynas.trial import History, Trial


class EndKind(StrEnum):
    """Why a search ended."""

    ENOUGH = "enough"
    EXHAUSTED = "exhausted"
    TIME = "time"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Ending:
    """How a search ended.

    Attributes:
        kind: why.
        message: one line for people.
        error: what to raise, where it failed.
        detail: the traceback that belongs to the error.
    """

    kind: EndKind
    message: str
    error: RaynasError | None = None
    detail: str = ""


@dataclass(frozen=True)
class Commit:
    """Store these trials, before anything else is done."""

    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Submit:
    """Give the trial's next attempt to the engine; keep its weights where it beats `better_than` (None: always)."""

    trial: Trial
    warm_start: str | None
    keep: bool
    better_than: float | None


@dataclass(frozen=True)
class Verdict:
    """Let the worker that waits on its report go on, or end the trial."""

    trial: int
    attempt: int
    stop: bool


@dataclass(frozen=True)
class Cancel:
    """End the trial's job."""

    trial: int


@dataclass(frozen=True)
class Expire:
    """End the trial's job, which has taken too long, and have the engine tell its end, with what it said last."""

    trial: int


@dataclass(frozen=True)
class Ask:
    """Have the planner make the proposal with this number, and so many at most, with those that follow."""

    number: int
    history: History
    count: int = 1


@dataclass(frozen=True)
class Drop:
    """Remove what nobody needs any more of what a trial left: its state, and its weights, where it has any."""

    trial: int
    weights: str | None = None


@dataclass(frozen=True)
class End:
    """The search is over."""

    ending: Ending


Decision = Commit | Submit | Verdict | Cancel | Expire | Ask | Drop | End
