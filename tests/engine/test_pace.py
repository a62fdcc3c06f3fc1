"""How many jobs make a task, and how many are fetched ahead."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.engine.ray_engine.pace import MOST, SAMPLE, TASK, Pace

seconds = st.floats(1e-6, 1e4)


def after(*took: float, budget: float | None = None, batches: bool = True) -> Pace:
    pace = Pace(batches)
    for each in took:
        pace.took(budget, each)
    return pace


def test_what_is_not_known_is_not_batched() -> None:
    for pace in (after(), after(*[0.001] * (SAMPLE - 1))):
        assert pace.fill([None] * 50) == 1
        assert pace.ahead(2) == 2 and pace.ahead(16) == 4 and pace.ahead(64) == 16


def test_a_worker_s_slow_first_jobs_do_not_count() -> None:
    assert after(3.0, 3.0, *[0.001] * 20).fill([None] * 50) == after(*[0.001] * 20).fill([None] * 50) > 1


def test_where_a_third_is_slow_nothing_is_batched() -> None:
    assert after(*[0.001, 0.001, 60.0] * 20).fill([None] * 50) == 1


def test_a_budget_is_what_a_job_takes() -> None:
    pace = after(*[0.001] * 20, budget=1.0)
    assert pace.fill([1.0] * 50) == pytest.approx(TASK / 0.001, abs=1)
    assert pace.fill([1000.0] * 50) == 1
    assert pace.fill([1.0, 1.0, 1000.0, 1.0]) == 3, "a long one is the last of its task"
    assert pace.fill([None] * 50) == 1, "how long it takes without a limit is not known"


def test_jobs_that_do_not_fill_a_task_say_so() -> None:
    assert after(*[0.001] * 20).fill([None] * 3) == 0
    assert after(*[0.001] * 20, batches=False).fill([None] * 3) == 1


@given(st.lists(seconds, min_size=1, max_size=80), st.integers(2, 500), st.booleans())
def test_bounds(took: list[float], slots: int, batches: bool) -> None:
    pace = after(*took, batches=batches)
    assert 1 <= pace.ahead(slots) <= slots * 3 * MOST
    assert pace.fill([None] * 200) in range(1, (MOST if batches else 1) + 1)
    assert pace.typical() == math.inf or min(took) <= pace.typical() <= max(took)


def test_a_task_is_quick_where_that_is_known_of_each_of_its_jobs() -> None:
    pace = after(*[TASK] * 20)
    assert pace.is_quick([None]) and pace.is_quick([None, None]) and not pace.is_quick([None] * 3)
    assert not pace.is_quick([1.0]) and not after().is_quick([None])
    assert not after(*[1.0] * 20).is_quick([None])


def test_as_many_are_in_flight_where_each_has_a_task_for_itself() -> None:
    assert after(*[0.001] * 400, batches=False).ahead(2) == after(*[0.001] * 400).ahead(2)


def test_long_trials_are_proposed_when_more_is_known() -> None:
    assert after(*[600.0] * 20).ahead(16) == 1
    assert after(*[0.5] * 20).ahead(16) == 16 and after(*[0.05] * 20).ahead(2) == 2


def test_more_is_in_flight_only_as_more_is_known() -> None:
    assert after(*[0.001] * 20).ahead(2) == 2
    pace = after(*[0.001] * 400)
    assert pace.ahead(2) == 50
