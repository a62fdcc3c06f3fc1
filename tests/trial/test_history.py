"""A history is a moment: the ledger grows, the history does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import ConfigError, TransitionError
from raynas.search_space import Sample
from raynas.trial import (
    Answered,
    Cause,
    Event,
    Failed,
    Finished,
    History,
    Ledger,
    Proposed,
    Rejected,
    Reported,
    Requeued,
    Started,
    Stopped,
    Trial,
    TrialKey,
    TrialState,
    advance,
    begin,
)
from raynas.trial.history import Direction, Prefix

SCORE: dict[str, Direction] = {"score": "max"}
ERROR: dict[str, Direction] = {"error": "min", "score": "max"}


def finished(number: int, order: int, **metrics: float) -> Trial:
    sample = Sample({"x": number})
    return Trial(number, sample, TrialKey(sample.to_json()), TrialState.FINISHED, metrics=metrics, order=order)


def told(history: History) -> dict[str, Any]:
    """All that a history says."""
    samples = [Sample({"x": x}) for x in range(12)]
    return {
        "trials": list(history),
        "ended": list(history.ended),
        "completed": list(history.completed),
        "open": list(history.open),
        "best": history.best,
        "top": history.top(3),
        "latest": history.latest,
        "distinct": history.distinct,
        "proposed": [history.proposed(sample) for sample in samples],
        "length": len(history),
        "by number": {trial.number: history[trial.number] for trial in history},
    }


def random_events(seed: int) -> Iterator[tuple[Ledger, Event | Proposed]]:
    """A ledger, again after each of some random legal events."""
    rng = Random(seed)
    ledger = Ledger(SCORE)
    numbers = 0
    for time in range(rng.randrange(60)):
        open_trials = list(ledger.freeze().open)
        event: Event
        if not open_trials or rng.random() < 0.4:
            x = rng.randrange(12)
            event = Proposed(numbers, time, Sample({"x": x}), TrialKey(str(x)), {"by": seed})
            numbers += 1
            ledger.put(begin(event))
        else:
            trial = rng.choice(open_trials)
            event = rng.choice(_legal(trial, ledger, time, rng))
            ledger.put(advance(trial, event, order=ledger.ended))
        yield ledger, event


def _legal(trial: Trial, ledger: Ledger, time: int, rng: Random) -> list[Event]:
    number, attempt = trial.number, trial.attempts
    if trial.state is TrialState.RUNNING:
        return [
            Reported(number, time, attempt, len(trial.reports), {"score": rng.random()}),
            Finished(number, time, attempt, {"score": rng.random()}),
            Stopped(number, time, attempt),
            Failed(number, time, attempt, Cause.EXCEPTION, "no"),
            Requeued(number, time),
        ]
    ended = list(ledger.freeze().ended)
    answers: list[Event] = [Answered(number, time, rng.choice(ended))] if ended else []
    return [Started(number, time, attempt + 1), Rejected(number, time, "too large"), *answers]


@given(st.integers())
def test_frozen_while_the_ledger_grows(seed: int) -> None:
    moments: list[tuple[History, dict[str, Any]]] = []
    for ledger, _ in random_events(seed):
        history = ledger.freeze()
        # A history that is read only later must not say more than one that was read at once.
        moments.append((history, told(ledger.freeze())))
    for history, said in moments:
        assert told(history) == said


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(-1, 5)), max_size=40), st.randoms())
def test_the_best_are_those_of_its_own_moment(ends: list[tuple[int, bool, int]], rng: Random) -> None:
    ledger = Ledger(ERROR)
    histories = [ledger.freeze()]
    for number, (error, twin, k) in enumerate(ends):
        trial = finished(number, number, error=error, score=0.0)
        ledger.put(replace(trial, twin=0) if twin and number else trial)
        histories.append(ledger.freeze())
        for history in (histories[-1], rng.choice(histories)):
            trained = [trial for trial in history.completed if trial.twin is None]
            wanted = sorted(trained, key=lambda trial: trial.metrics["error"])[:k]
            assert history.top(k) == wanted


@given(st.integers())
def test_a_history_can_be_rebuilt_from_its_trials(seed: int) -> None:
    for ledger, _ in random_events(seed):
        history = ledger.freeze()
        shuffled = list(history)
        Random(seed).shuffle(shuffled)
        assert told(History.of(shuffled, SCORE)) == told(history)


@given(st.integers())
def test_it_says_what_its_trials_say(seed: int) -> None:
    for ledger, _ in random_events(seed):
        history = ledger.freeze()
        trials = list(history)
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert [trial.order for trial in history.ended] == list(range(len(history.ended)))
        assert list(history.open) == [trial for trial in trials if not trial.state.ended]
        assert list(history.completed) == [trial for trial in history.ended if trial.has_result]
        assert {trial.sample for trial in trials} == {
            Sample({"x": x}) for x in range(12) if history.proposed(Sample({"x": x}))
        }
        assert history.distinct == len({trial.sample for trial in trials})
        assert history.latest == (trials[-1] if trials else None)
        scores = [trial.metrics["score"] for trial in history.completed]
        assert (history.best is None) == (not scores)
        if history.best is not None:
            assert history.best.metrics["score"] == max(scores)
            assert history.best == next(t for t in history.completed if t.metrics["score"] == max(scores))


def test_best_and_top_where_less_is_better() -> None:
    history = History.of(
        [finished(0, 1, error=0.5, score=1), finished(1, 0, error=0.1, score=0), finished(2, 2, error=0.3, score=9)],
        ERROR,
    )
    assert history.best is not None
    assert history.best.number == 1
    assert [trial.number for trial in history.top(2)] == [1, 2]
    assert history.score(history[0]) == -0.5
    assert history.scores(history[2]) == (-0.3, 9)


@given(st.integers(), st.lists(st.integers(0, 11), max_size=6))
def test_a_history_with_more_proposals_says_what_the_ledger_would_say(seed: int, more: list[int]) -> None:
    ledger = ([Ledger(SCORE)] + [ledger for ledger, _ in random_events(seed)])[-1]
    frozen = extended = ledger.freeze()
    moments: list[tuple[History, dict[str, Any]]] = []
    for number, x in enumerate(more, 1000):
        trial = Trial(number, Sample({"x": x}), TrialKey(str(x)))
        extended = extended.proposing(trial)
        ledger.put(trial)
        said = told(ledger.freeze())
        moments.append((extended, said))
        assert extended.find(trial.sample) == ledger.freeze().find(trial.sample)
    for history, said in moments:
        assert told(history) == said
    assert len(frozen) + len(more) == len(extended)


def test_of_equals_the_first_to_end_is_best() -> None:
    history = History.of([finished(0, 1, score=1), finished(1, 0, score=1), finished(2, 2, score=1)], SCORE)
    assert history.best is not None
    assert history.best.number == 1
    assert [trial.number for trial in history.top(3)] == [1, 0, 2]


def test_top_leaves_twins_out() -> None:
    ledger = Ledger(SCORE)
    ledger.put(finished(0, 0, score=1))
    ledger.put(advance(begin(Proposed(1, 0.0, Sample({"x": 0}), TrialKey("0"))), Answered(1, 0.0, ledger[0]), 1))
    history = ledger.freeze()
    assert len(history.completed) == 2
    assert [trial.number for trial in history.top(5)] == [0]


@pytest.mark.parametrize(("metrics", "seen"), [({"loss": 1.0}, "it returned loss"), ({"loss": 1, "f1": 2}, "loss, f1")])
def test_a_missing_objective_is_named_and_nothing_is_taken(metrics: Mapping[str, float], seen: str) -> None:
    ledger = Ledger(SCORE)
    with pytest.raises(ConfigError, match=f"the evaluator returned no metric 'score': .*{seen}"):
        ledger.put(finished(0, 0, **metrics))
    assert len(ledger) == len(ledger.freeze()) == 0
    assert ledger.freeze().distinct == 0


def test_an_ended_trial_stays_as_it_ended() -> None:
    ledger = Ledger(SCORE)
    ledger.put(finished(0, 0, score=1))
    with pytest.raises(TransitionError, match="trial 0 has ended before and cannot be finished now"):
        ledger.put(finished(0, 1, score=2))
    with pytest.raises(TransitionError, match="trial 0 has ended before and cannot be queued now"):
        ledger.put(begin(Proposed(0, 0.0, Sample(), TrialKey(""))))
    assert len(ledger.freeze()) == 1


def test_a_number_that_is_not_there() -> None:
    ledger = Ledger(SCORE)
    history = ledger.freeze()
    ledger.put(finished(0, 0, score=1))
    with pytest.raises(KeyError):
        history[0]
    assert ledger.freeze()[0].metrics == {"score": 1}


@given(st.lists(st.integers()), st.lists(st.integers()), st.slices(10), st.integers(-12, 12))
def test_prefix_is_the_list_as_it_was(start: list[int], more: list[int], cut: slice, index: int) -> None:
    items = list(start)
    prefix = Prefix(items)
    items.extend(more)
    assert list(prefix) == start
    assert len(prefix) == len(start)
    assert prefix[cut] == start[cut]
    assert list(reversed(prefix)) == start[::-1]
    if -len(start) <= index < len(start):
        assert prefix[index] == start[index]
    else:
        with pytest.raises(IndexError):
            prefix[index]
