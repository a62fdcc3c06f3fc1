"""Transitions: `advance` is the only way from one state of a trial to the next."""

from __future__ import annotations

from dataclasses import replace

from raynas.errors import TransitionError
from raynas.trial.events import (
    Answered,
    Event,
    Failed,
    Finished,
    Proposed,
    Rejected,
    Reported,
    Requeued,
    Started,
    Stopped,
    Waits,
)
from raynas.trial.trial import Cause, Report, Trial, TrialState

TRANSITIONS: dict[tuple[TrialState, type[Event]], TrialState | None] = {
    (TrialState.QUEUED, Waits): TrialState.WAITING,
    (TrialState.QUEUED, Answered): None,
    (TrialState.WAITING, Answered): None,
    (TrialState.WAITING, Requeued): TrialState.QUEUED,
    (TrialState.QUEUED, Rejected): TrialState.INFEASIBLE,
    (TrialState.QUEUED, Failed): TrialState.FAILED,
    (TrialState.QUEUED, Started): TrialState.RUNNING,
    (TrialState.RUNNING, Reported): TrialState.RUNNING,
    (TrialState.RUNNING, Requeued): TrialState.QUEUED,
    (TrialState.RUNNING, Finished): TrialState.FINISHED,
    (TrialState.RUNNING, Stopped): TrialState.STOPPED,
    (TrialState.RUNNING, Failed): TrialState.FAILED,
    (TrialState.WAITING, Failed): TrialState.FAILED,
}
"""Every legal step; None: the state that the twin has reached. What is not here raises `TransitionError`."""


def begin(event: Proposed) -> Trial:
    """The trial that a proposal begins."""
    return Trial(event.trial, event.sample, event.key, note=event.note, proposed=event.time)


def advance(trial: Trial, event: Event, order: int | None = None) -> Trial:
    """The trial after `event`; `TransitionError`, with the trial's story, where its state does not allow it.

    Args:
        trial: the trial before.
        event: what happened.
        order: the trial's place among the ended ones, for an event that ends it.
    """
    if event.trial != trial.number:
        raise TransitionError(f"{_named(event)} belongs to trial {event.trial}, but was given to {_story(trial)}")
    try:
        state = TRANSITIONS[trial.state, type(event)]
    except KeyError:
        allowed = ", ".join(kind.__name__ for before, kind in TRANSITIONS if before == trial.state) or "nothing"
        raise TransitionError(f"{_story(trial)}; it can take {allowed} now, not {_named(event)}") from None
    after = state or trial.state
    match event:
        case Waits(twin=twin):
            return replace(trial, state=after, twin=twin)
        case Answered(twin=twin):
            if not twin.state.ended:
                raise TransitionError(f"{_story(trial)}; it cannot share a result that is not there: {_story(twin)}")
            shared = {
                name: getattr(twin, name) for name in ("state", "metrics", "reports", "cause", "message", "weights")
            }
            return replace(trial, **shared, twin=twin.number, order=order, ended=event.time)
        case Rejected(reason=reason):
            return replace(trial, state=after, message=reason, cause=None, order=order, ended=event.time)
        case Started(attempt=attempt):
            return replace(trial, state=after, attempts=attempt, started=event.time, reports=())
        case Reported(step=step, metrics=metrics):
            return replace(trial, state=after, reports=(*trial.reports, Report(step, metrics)))
        case Requeued():
            cause = _worst(trial.cause, event.cause)
            return replace(trial, state=after, reports=(), twin=None, started=None, cause=cause)
        case Finished() | Stopped():
            last = trial.reports[-1].metrics if trial.reports else {}
            return replace(
                trial,
                state=after,
                metrics=event.metrics if isinstance(event, Finished) else last,
                seconds=event.seconds,
                weights=event.weights,
                cause=None,
                order=order,
                ended=event.time,
            )
        case Failed():
            return replace(
                trial,
                state=after,
                cause=event.cause,
                message=event.message,
                detail=event.detail,
                seconds=event.seconds,
                order=order,
                ended=event.time,
            )
    raise TransitionError(f"{_story(trial)}; nobody has said what becomes of it after {_named(event)}")


def _worst(before: Cause | None, now: Cause | None) -> Cause | None:
    """What an open trial remembers of its lost attempts: that it took a worker with it counts until it ends."""
    return before if now is None or before is Cause.WORKER_DIED else now


def _named(event: Event) -> str:
    attempt = getattr(event, "attempt", None)
    return type(event).__name__ if attempt is None else f"{type(event).__name__} of attempt {attempt}"


def _story(trial: Trial) -> str:
    parts = [f"attempt {trial.attempts}" if trial.attempts else "never begun"]
    if trial.twin is not None:
        parts.append(f"twin of trial {trial.twin}")
    if trial.reports:
        parts.append(f"last reported at step {trial.reports[-1].step}")
    if trial.order is not None:
        parts.append(f"number {trial.order} to end")
    if trial.cause is not None:
        parts.append(f"by {trial.cause}" if trial.state.ended else f"an attempt ended by {trial.cause}")
    return f"trial {trial.number} is {trial.state} ({', '.join(parts)})"
