"""Every pair of state and event: legal ones lead where the table says, all others raise with the trial's story."""

import itertools
from dataclasses import replace

import pytest

from raynas.errors import TransitionError
from raynas.search_space import Sample
from raynas.trial import (
    Answered,
    Cause,
    Event,
    Failed,
    Finished,
    Proposed,
    Rejected,
    Report,
    Reported,
    Requeued,
    Started,
    Stopped,
    Trial,
    TrialKey,
    TrialState,
    Waits,
    advance,
    begin,
)

KEY = TrialKey("abc", budget=3.0, warm_start=1)
NEW = begin(Proposed(7, 1.0, Sample({"width": 8}), KEY, {"bracket": 2}))
TWIN = Trial(3, NEW.sample, KEY, TrialState.FINISHED, metrics={"score": 0.5}, order=0, weights="w/3")

EVENTS: dict[type[Event], Event] = {
    Waits: Waits(7, 2.0, 3),
    Answered: Answered(7, 2.0, TWIN),
    Rejected: Rejected(7, 2.0, "too large"),
    Started: Started(7, 2.0, 1),
    Reported: Reported(7, 2.0, 1, 4, {"score": 0.1}),
    Finished: Finished(7, 2.0, 1, {"score": 0.9}, 1.5, "w/7"),
    Stopped: Stopped(7, 2.0, 1, 1.5),
    Failed: Failed(7, 2.0, 1, Cause.TIMEOUT, "took too long", "traceback", 1.5),
    Requeued: Requeued(7, 2.0, Cause.NODE_LOST),
}

LEGAL = {
    ("queued", "Waits"): "waiting",
    ("queued", "Answered"): "finished",
    ("queued", "Rejected"): "infeasible",
    ("queued", "Failed"): "failed",
    ("queued", "Started"): "running",
    ("waiting", "Answered"): "finished",
    ("waiting", "Requeued"): "queued",
    ("waiting", "Failed"): "failed",
    ("running", "Reported"): "running",
    ("running", "Requeued"): "queued",
    ("running", "Finished"): "finished",
    ("running", "Stopped"): "stopped",
    ("running", "Failed"): "failed",
}


def trial_in(state: TrialState) -> Trial:
    """The trial as it comes to this state on a legal way."""
    ways: dict[TrialState, list[type[Event]]] = {
        TrialState.QUEUED: [],
        TrialState.WAITING: [Waits],
        TrialState.RUNNING: [Started],
        TrialState.FINISHED: [Started, Finished],
        TrialState.STOPPED: [Started, Reported, Stopped],
        TrialState.FAILED: [Started, Failed],
        TrialState.INFEASIBLE: [Rejected],
    }
    trial = NEW
    for kind in ways[state]:
        trial = advance(trial, EVENTS[kind], order=5)
    assert trial.state == state
    return trial


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(TrialState, EVENTS)))
def test_table(state: TrialState, kind: type[Event]) -> None:
    trial = trial_in(state)
    if (state, kind.__name__) in LEGAL:
        after = advance(trial, EVENTS[kind], order=5)
        assert after.state == LEGAL[state, kind.__name__]
        assert after.state.ended == (after.order == 5) == (after.ended == 2.0)
        assert (after.number, after.sample, after.key, after.note) == (7, NEW.sample, KEY, {"bracket": 2})
        assert trial == trial_in(state), "the trial before is left as it was"
    else:
        with pytest.raises(TransitionError, match=f"^trial 7 is {state} .*not {kind.__name__}") as caught:
            advance(trial, EVENTS[kind], order=5)
        assert "\n" not in str(caught.value)


def test_the_error_tells_the_story() -> None:
    trial = advance(trial_in(TrialState.RUNNING), EVENTS[Reported])
    trial = advance(trial, EVENTS[Failed], order=5)
    with pytest.raises(TransitionError) as caught:
        advance(trial, Started(7, 3.0, 2))
    assert str(caught.value) == (
        "trial 7 is failed (attempt 1, last reported at step 4, number 5 to end, by timeout); "
        "it can take nothing now, not Started of attempt 2"
    )


def test_an_event_of_another_trial_is_refused() -> None:
    with pytest.raises(TransitionError, match=r"Started of attempt 1 belongs to trial 8, but was given to trial 7 is"):
        advance(NEW, Started(8, 1.0, 1))


def test_an_unfinished_twin_has_nothing_to_share() -> None:
    running = replace(TWIN, state=TrialState.RUNNING, metrics={}, order=None)
    with pytest.raises(TransitionError, match="cannot share a result that is not there: trial 3 is running"):
        advance(NEW, Answered(7, 2.0, running))


@pytest.mark.parametrize("state", [TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED, TrialState.INFEASIBLE])
def test_a_twin_shares_its_outcome(state: TrialState) -> None:
    twin = replace(trial_in(state), number=3, order=0)
    after = advance(trial_in(TrialState.WAITING), Answered(7, 9.0, twin), order=5)
    for name in ("state", "metrics", "reports", "cause", "message", "weights"):
        assert getattr(after, name) == getattr(twin, name)
    assert (after.twin, after.order, after.ended, after.number) == (3, 5, 9.0, 7)
    assert not after.trained


def test_the_last_report_is_a_stopped_trial_s_result() -> None:
    trial = trial_in(TrialState.RUNNING)
    for step in range(3):
        trial = advance(trial, Reported(7, 2.0, 1, step, {"score": step / 10}))
    stopped = advance(trial, EVENTS[Stopped], order=0)
    assert stopped.metrics == {"score": 0.2}
    assert len(stopped.reports) == 3
    assert stopped.has_result
    assert stopped.trained


def test_a_trial_stopped_before_its_first_report_has_no_result() -> None:
    assert not advance(trial_in(TrialState.RUNNING), EVENTS[Stopped], order=0).has_result


def test_a_lost_attempt_leaves_nothing_behind() -> None:
    trial = advance(trial_in(TrialState.RUNNING), EVENTS[Reported])
    again = advance(advance(trial, EVENTS[Requeued]), Started(7, 5.0, 2))
    assert again.attempts == 2
    assert again.reports == ()
    assert again.started == 5.0
    final = advance(advance(again, Reported(7, 6.0, 2, 0, {"score": 0.3})), Finished(7, 7.0, 2, {"score": 0.4}), 0)
    assert final.reports == (Report(0, {"score": 0.3}),)
    assert final.metrics == {"score": 0.4}


@pytest.mark.parametrize(
    ("lost", "remembered"),
    [
        ([None], None),
        ([Cause.NODE_LOST], Cause.NODE_LOST),
        ([Cause.NODE_LOST, None], Cause.NODE_LOST),
        ([Cause.NODE_LOST, Cause.WORKER_DIED], Cause.WORKER_DIED),
        ([Cause.WORKER_DIED, Cause.NODE_LOST], Cause.WORKER_DIED),
        ([Cause.WORKER_DIED, None, Cause.TIMEOUT], Cause.WORKER_DIED),
    ],
)
def test_an_open_trial_remembers_what_its_attempts_died_of(lost: list[Cause | None], remembered: Cause | None) -> None:
    trial = NEW
    for attempt, cause in enumerate(lost, start=1):
        trial = advance(advance(trial, Started(7, 2.0, attempt)), Requeued(7, 2.0, cause))
    assert trial.cause == remembered
    trial = advance(trial, Started(7, 3.0, len(lost) + 1))
    assert advance(trial, Finished(7, 4.0, trial.attempts, {"score": 1.0}), order=0).cause is None
    assert advance(trial, Failed(7, 4.0, trial.attempts, Cause.TIMEOUT, "no"), order=0).cause is Cause.TIMEOUT
    assert advance(advance(trial, Requeued(7, 4.0)), Rejected(7, 5.0, "no"), order=0).cause is None


def test_a_waiting_trial_may_take_over_from_its_twin() -> None:
    taken_over = advance(advance(trial_in(TrialState.WAITING), EVENTS[Requeued]), EVENTS[Started])
    assert advance(taken_over, EVENTS[Finished], order=0).trained


def test_a_failure_is_kept_whole() -> None:
    failed = trial_in(TrialState.FAILED)
    assert (failed.cause, failed.message, failed.detail, failed.seconds) == (
        Cause.TIMEOUT,
        "took too long",
        "traceback",
        1.5,
    )
    assert not failed.has_result


def test_an_event_without_a_rule_is_refused() -> None:
    class Paused(Event):
        pass

    with pytest.raises(TransitionError, match="not Paused"):
        advance(NEW, Paused(7, 1.0))


@pytest.mark.parametrize("cause", Cause)
def test_what_a_twin_would_suffer_too(cause: Cause) -> None:
    assert cause.architectural == (cause in ("exception", "non-finite metric", "out of memory"))
