"""When the journal of a task that says nothing is looked into."""

from __future__ import annotations

import pytest

from raynas.engine import Job
from raynas.engine.ray_engine.batch import QUEUED, RARELY, SILENCE, Batch, Held


def batch(jobs: int, quick: bool) -> Batch:
    made = Batch.of([Held(Job(trial, 1, "", "")) for trial in range(jobs)], quick)
    made.wait(0.0)
    return made


@pytest.mark.parametrize("quick", [True, False])
def test_a_single_job_that_is_known_to_have_begun_has_nothing_to_tell(quick: bool) -> None:
    made = batch(1, quick)
    made.left[0].started = True
    made.heard("node:1", 1.0)
    assert made.due is None


def test_one_of_which_only_the_worker_is_known_may_hang_there() -> None:
    made = batch(1, quick=True)
    made.heard("node:1", 1.0)
    assert made.due == 1.0 + SILENCE


def test_one_that_tells_its_start_is_not_asked() -> None:
    assert batch(1, quick=False).due is None


@pytest.mark.parametrize("jobs", [1, 3])
def test_it_is_looked_into_less_and_less(jobs: int) -> None:
    made = batch(jobs, quick=True)
    assert made.due == QUEUED, "nobody knows where it is, or whether it has begun"
    waits = []
    for _ in range(6):
        made.wait(0.0)
        waits.append(made.due)
    assert waits == [min(2**power * QUEUED, RARELY) for power in range(1, 7)]


def test_a_word_from_its_worker_makes_it_soon_again() -> None:
    made = batch(3, quick=True)
    made.heard("node:1", 10.0)
    assert made.due == 10.0 + SILENCE and made.worker == "node:1"
    made.heard("", 20.0)
    assert made.due == 20.0 + SILENCE and made.worker == "node:1"
