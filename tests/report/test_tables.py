"""Tables of trials."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from raynas.report import effects, failures, ranking, records, states
from raynas.search_space import Categorical, Condition, Sample, SearchSpace
from raynas.trial import Cause, History, Trial, TrialKey, TrialState

SPACE = SearchSpace(
    [
        Categorical("op", candidates=("conv", "pool")),
        Categorical("kernel", when=((Condition("op", ("conv",)),),), candidates=(3, 5)),
    ]
)
CONV3, CONV5, POOL = {"op": "conv", "kernel": 3}, {"op": "conv", "kernel": 5}, {"op": "pool"}


def trial(number: int, sample: dict[str, object], score: float | None, **more: object) -> Trial:
    state = TrialState.FAILED if score is None else TrialState.FINISHED
    metrics = {} if score is None else {"score": score, "loss": -score}
    record = {"state": state, "metrics": metrics, "order": number, "seconds": 1.25, **more}
    return Trial(number, Sample(sample), TrialKey(str(number)), **record)  # type: ignore[arg-type]  # spelled out above


TRIALS = [
    trial(0, CONV3, 0.5),
    trial(1, POOL, 0.25),
    trial(2, POOL, None, cause=Cause.EXCEPTION, message="KeyError: 'x'"),
    trial(3, CONV5, 0.75),
    trial(4, CONV3, 0.5, twin=0),
    trial(5, POOL, None, cause=Cause.EXCEPTION, message="KeyError: 'x'"),
    trial(6, POOL, None, cause=Cause.WORKER_DIED, message="gone"),
]
HISTORY = History.of(TRIALS, {"score": "max"})


def test_the_best_come_first_and_twins_are_counted_apart() -> None:
    table = ranking(HISTORY, 2)
    assert table.columns == ("rank", "trial", "score", "seconds", "choices")
    assert table.rows == (
        ("1", "3", "0.7500", "1.2", "op=conv kernel=5"),
        ("2", "0", "0.5000", "1.2", "op=conv kernel=3"),
    )
    assert table.note == "1 proposal shared the result of an equal one and cost no training."


def test_states_are_counted() -> None:
    assert states(TRIALS).rows == (("finished", "3"), ("failed", "3"), ("shares another's result", "1"))


def test_failures_are_counted_by_cause_and_message() -> None:
    assert failures(TRIALS).rows == (("2", "2", "exception", "KeyError: 'x'"), ("1", "6", "worker died", "gone"))
    assert failures(TRIALS[:2]).rows == ()


def test_records_are_those_that_were_better_than_all_before() -> None:
    assert records(HISTORY).rows == (("1", "0", "0.5000"), ("3", "3", "0.7500"))
    falling = History.of(TRIALS, {"loss": "min"})
    assert records(falling).rows == (("1", "0", "-0.5000"), ("3", "3", "-0.7500"))


def test_effects_tell_what_was_tried_with_each_value() -> None:
    assert effects(SPACE, HISTORY).rows == (
        ("op", '"conv"', "2", "0.625", "0.75"),
        ("op", '"pool"', "1", "0.25", "0.25"),
        ("kernel", "5", "1", "0.75", "0.75"),
        ("kernel", "3", "1", "0.5", "0.5"),
    )
    assert effects(SPACE, History.of(TRIALS, {"loss": "min"})).rows[0] == ("op", '"conv"', "2", "-0.625", "-0.75")


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_every_table_is_well_formed(scores: list[float | None]) -> None:
    trials = [trial(i, (CONV3, CONV5, POOL)[i % 3], score) for i, score in enumerate(scores)]
    history = History.of(trials, {"score": "max"})
    tables = [ranking(history, 5), states(trials), failures(trials), records(history), effects(SPACE, history)]
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert sum(int(row[1]) for row in tables[1].rows) == len(trials)
    assert sum(int(row[0]) for row in tables[2].rows) == scores.count(None)
    assert sum(int(row[2]) for row in tables[4].rows if row[0] == "op") == len(trials) - scores.count(None)
    best = [float(row[2]) for row in tables[3].rows]
    assert best == sorted(best)
