"""Progress: where a search stands, for people who watch it."""

from __future__ import annotations

from dataclasses import dataclass

from raynas.search.state import SearchState
from raynas.trial import Trial, TrialState


@dataclass(frozen=True)
class Progress:
    """Where a search stands at one moment.

    Attributes:
        done: trials that were trained and have ended, in all starts of the run.
        total: how many there may be; None: no limit.
        running: trials that a worker is training; of short ones, whose starts are told with their ends, as many as
            there is room for. At most `slots`, also where one's end is heard of after the next one's start.
        failed: those among the done ones that have no result.
        answered: proposals that shared the result of an equal one.
        rejected: proposals that could not be trained.
        best: the best trial so far.
        objective: the metric by which it is.
        elapsed: seconds since this start.
        per_minute: trained trials a minute, in this start.
        time_left: seconds until the search will have ended, at this rate; None: not known.
        slots: how many trials can run at once.
        ended: how the search ended, in a line; empty while it goes on.
    """

    done: int
    total: int | None
    running: int
    failed: int
    answered: int
    rejected: int
    best: Trial | None
    objective: str
    elapsed: float
    per_minute: float
    time_left: float | None
    slots: int
    ended: str = ""


def progress(state: SearchState, elapsed: float, done_before: int, slots: int) -> Progress:
    """The state as people want to see it.

    Args:
        state: the search's.
        elapsed: seconds since this start.
        done_before: how many trials had been done when this start began.
        slots: how many trials can run at once.
    """
    rules, counts = state.rules, state.counts
    per_second = (state.done - done_before) / elapsed if elapsed > 0 else 0.0
    running = max(state.running, state.in_flight if state.done > done_before else 0)
    limits = []
    if rules.max_trials is not None and per_second:
        limits.append((rules.max_trials - state.done) / per_second)
    if rules.max_time is not None:
        limits.append(rules.max_time - elapsed)
    return Progress(
        done=state.done,
        total=rules.max_trials,
        running=min(running, slots) if slots else state.running,
        failed=counts[TrialState.FAILED, True],
        answered=sum(number for (_, own), number in counts.items() if not own),
        rejected=counts[TrialState.INFEASIBLE, True],
        best=state.ledger.freeze().best,
        objective=rules.metric,
        elapsed=elapsed,
        per_minute=60 * per_second,
        time_left=max(0.0, min(limits)) if limits else None,
        slots=slots,
        ended=state.ending.message if state.ending else "",
    )
