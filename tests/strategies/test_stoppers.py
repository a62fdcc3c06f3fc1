"""The stoppers: the median stopping rule as its paper states it, and the plateau."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from raynas_strategies.median import MedianStopper
from raynas_strategies.plateau import PlateauStopper

from raynas import ConfigError, History, Sample, Stopper, Trial, TrialState, plugins
from raynas.trial import Report, TrialKey


def trial(number: int, values: Sequence[float], ended: bool = True, metric: str = "score") -> Trial:
    reports = tuple(Report(step, {metric: value}) for step, value in enumerate(values, start=1))
    running = Trial(number, Sample(), TrialKey(str(number)), TrialState.RUNNING, reports=reports)
    if not ended:
        return running
    return replace(running, state=TrialState.FINISHED, metrics={"score": values[-1]}, order=number)


def past(*courses: Sequence[float], direction: Any = "max") -> History:
    return History.of([trial(number, values) for number, values in enumerate(courses)], {"score": direction})


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([0.1, 0.1], True),
        ([0.25, 0.1], False),  # the best so far counts, and strictly worse than the median, 0.25, is stopped
        ([0.24, 0.2], True),
        ([0.1], False),  # too early
        ([0.1, 0.9], False),
    ],
)
def test_worse_than_the_median_of_running_averages(values: list[float], stops: bool) -> None:
    # Averages up to step 2: 0.15, 0.25, 0.35.
    history = past([0.1, 0.2, 0.9], [0.2, 0.3, 0.9], [0.3, 0.4, 0.0])
    stopper = MedianStopper(min_trials=3, min_steps=1)
    assert stopper.should_stop(trial(9, values, ended=False), history) is stops


def test_the_median_of_few_says_nothing() -> None:
    history = past([0.9, 0.9], [0.9, 0.9])
    assert not MedianStopper(min_trials=3).should_stop(trial(9, [0.1, 0.1], ended=False), history)


def test_the_median_where_less_is_better() -> None:
    history = past([1.0, 1.0], [2.0, 2.0], [3.0, 3.0], direction="min")
    stopper = MedianStopper(min_trials=3)
    assert stopper.should_stop(trial(9, [5.0, 4.0], ended=False), history)
    assert not stopper.should_stop(trial(9, [5.0, 1.5], ended=False), history)


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([0.5, 0.5, 0.5], True),
        ([0.5, 0.5], False),
        ([0.1, 0.2, 0.3], False),
        ([0.5, 0.4, 0.3], True),
        ([0.5, 0.505, 0.5], True),
        ([0.5, 0.52, 0.5], False),
    ],
)
def test_no_progress_in_two_reports(values: list[float], stops: bool) -> None:
    stopper = PlateauStopper(patience=2, min_delta=0.01)
    assert stopper.should_stop(trial(0, values, ended=False), past()) is stops


@pytest.mark.parametrize("stopper", [MedianStopper(1, 0), PlateauStopper(1)])
def test_what_does_not_report_the_objective_is_let_alone(stopper: Stopper) -> None:
    history = past([0.9] * 3, [0.9] * 3)
    assert not stopper.should_stop(trial(9, [0.1, 0.1, 0.1], ended=False, metric="loss"), history)


def test_found_by_name_and_recorded() -> None:
    made = plugins.make_stopper("median", {"min_trials": 7})
    assert plugins.recipe(made) == ("raynas_strategies.median:MedianStopper", {"min_trials": 7, "min_steps": 1})
    assert {"median", "plateau"} <= {entry.name for entry in plugins.registered(Stopper)}


@pytest.mark.parametrize(
    ("cls", "given", "words"),
    [
        (MedianStopper, {"min_trials": 0}, "min_trials=0: give it a whole number from 1"),
        (PlateauStopper, {"patience": 1.5}, "patience=1.5"),
        (PlateauStopper, {"min_delta": -1}, "min_delta=-1: give it a number from 0"),
    ],
)
def test_bad_arguments(cls: type[Stopper], given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cls(**given)
