"""Algorithm 1 of Real et al. 2019, step by step."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from statistics import median
from typing import Any

import pytest
from raynas_strategies.random import RandomSearch
from raynas_strategies.regularized_evolution import RegularizedEvolution

from raynas import ConfigError, History, Proposal, Sample, Strategy, Trial, TrialState
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape
from raynas.trial import TrialKey
from raynas.trial.history import Direction

SPACE = spaces()["large"]
MAX: dict[str, Direction] = {"score": "max"}


def trials(scores: Sequence[float | TrialState]) -> list[Trial]:
    """One trial each, ended in this order with this score, or in this state."""
    made = []
    for number, score in enumerate(scores):
        sample = SPACE.random(Random(number))
        trial = Trial(number, sample, TrialKey(str(number)), order=number)
        if isinstance(score, TrialState):
            made.append(replace(trial, state=score, order=number if score.ended else None))
        else:
            made.append(replace(trial, state=TrialState.FINISHED, metrics={"score": score}))
    return made


def parents(strategy: Strategy, history: History, times: int = 400) -> Counter[int | None]:
    """How often each trial is the parent; None: the proposal is random."""
    counts: Counter[int | None] = Counter()
    for seed in range(times):
        answer = strategy.ask(SPACE, history, Random(seed))
        counts[answer.note["parent"] if isinstance(answer, Proposal) else None] += 1
    return counts


@pytest.mark.parametrize(
    ("scores", "random"),
    [
        ([], True),
        ([1.0] * 9, True),
        ([1.0] * 10, False),
        ([1.0] * 5 + [TrialState.RUNNING] * 4, True),
        ([1.0] * 5 + [TrialState.RUNNING] * 3 + [TrialState.QUEUED, TrialState.WAITING], False),
        ([1.0] * 9 + [TrialState.FAILED] * 5, True),
        ([1.0] * 9 + [TrialState.INFEASIBLE] * 5, True),
        ([TrialState.RUNNING] * 30, True),
        ([1.0] + [TrialState.RUNNING] * 30, False),
    ],
)
def test_the_first_p_are_random(scores: list[float | TrialState], random: bool) -> None:
    history = History.of(trials(scores), MAX)
    assert (set(parents(RegularizedEvolution(10, 2), history, 20)) == {None}) == random


def test_the_parent_wins_a_tournament_with_replacement() -> None:
    """With S = 2 of P = 4, the model of rank r (from 0) is the best of the sample in ((4-r)² - (3-r)²) / 16 cases."""
    history = History.of(trials([0.3, 0.9, 0.1, 0.5]), MAX)
    counts = parents(RegularizedEvolution(4, 2), history, 3200)
    expected = {1: 1400, 3: 1000, 0: 600, 2: 200}
    assert set(counts) == set(expected)
    for number, count in expected.items():
        assert abs(counts[number] - count) < 120, counts


def test_less_may_be_better() -> None:
    history = History.of(trials([0.3, 0.9, 0.1, 0.5]), {"score": "min"})
    assert parents(RegularizedEvolution(4, 4), history).most_common(1)[0][0] == 2


def test_the_oldest_dies_however_good_it_was() -> None:
    history = History.of(trials([9.0, 8.0, *[0.1] * 5]), MAX)
    assert set(parents(RegularizedEvolution(5, 2), history)) == {2, 3, 4, 5, 6}
    assert 1 in parents(RegularizedEvolution(6, 2), history)


def test_age_is_counted_from_the_end_of_the_training() -> None:
    late = trials([9.0, 0.1, 0.2, 0.3])
    late = [replace(trial, order=order) for trial, order in zip(late, (3, 0, 1, 2), strict=True)]
    assert set(parents(RegularizedEvolution(2, 1), History.of(late, MAX))) == {0, 3}


def test_a_child_differs_from_its_parent_in_one_choice() -> None:
    history = simulate(RegularizedEvolution(10, 3), SPACE, landscape, trials=200)
    assert [trial.number for trial in history if not trial.note] == list(range(10))
    for trial in history.trials[10:]:
        parent = history[trial.note["parent"]]
        assert parent.number >= trial.number - 10
        assert sum(trial.sample[label] != parent.sample[label] for label in trial.sample) == 1


@pytest.mark.parametrize("name", ["flat", "conditional", "two samples", "one sample", "no choices"])
@pytest.mark.parametrize("workers", [1, 6])
def test_a_small_space_is_tried_out_without_repetition(name: str, workers: int) -> None:
    space = spaces()[name]
    history = simulate(RegularizedEvolution(6, 2), space, landscape, trials=10_000, workers=workers)
    assert sorted(trial.sample.to_json() for trial in history) == sorted(map(Sample.to_json, space.grid()))


@pytest.mark.parametrize("workers", [1, 8])
def test_better_than_random_within_forty_trials_and_more(workers: int) -> None:
    def best(strategy: Strategy, count: int) -> float:
        runs = [simulate(strategy, SPACE, landscape, count, workers, seed=seed).best for seed in range(15)]
        return median(run.metrics["score"] for run in runs if run is not None)

    for count, gain in ((40, 0.1), (200, 1.0)):
        assert best(RegularizedEvolution(), count) > best(RandomSearch(), count) + gain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"population_size": 0}, "got population_size=0: give it a whole number from 1"),
        ({"tournament_size": -1}, "got tournament_size=-1: give it a whole number from 1"),
        ({"population_size": 2.5}, "got population_size=2.5: give it a whole number from 1"),
        ({"population_size": "20"}, "got population_size='20': give it a whole number from 1"),
        (
            {"population_size": 3, "tournament_size": 4},
            "a tournament of 4 from a population of 3: make tournament_size smaller or population_size larger",
        ),
    ],
)
def test_impossible_parameters_are_refused(arguments: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RegularizedEvolution(**arguments)
