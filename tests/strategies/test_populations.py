"""Aging Pareto evolution and population based training; and what each strategy refuses before a search begins."""

from random import Random
from statistics import median
from typing import Any

import pytest
from raynas_strategies.aging_pareto import AgingPareto, crowded
from raynas_strategies.bananas import Bananas, Predictor
from raynas_strategies.grid import GridSearch
from raynas_strategies.pbt import Pbt
from raynas_strategies.random import RandomSearch

from raynas import ConfigError, SearchSpace, Strategy, Trial, plugins
from raynas.search_space import Categorical, IntUniform, Uniform
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape
from raynas.trial.pareto import hypervolume

LARGE = spaces()["large"]
TUNED = SearchSpace([Categorical("width", candidates=(8, 16, 32, 64)), Uniform("rate", low=1e-4, high=1.0, log=True)])


def test_rank_first_then_crowding() -> None:
    points = [(0, 4), (1, 3), (1.2, 2.8), (4, 0), (0, 3), (1, 1)]
    fitness = crowded(points)
    assert [rank for rank, _ in fitness] == [0, 0, 0, 0, -1, -1]
    distances = [distance for _, distance in fitness]
    assert distances[0] == distances[3] == float("inf")
    assert distances[1] == pytest.approx(1.2 / 4 + 1.2 / 4)
    assert distances[2] == pytest.approx(3 / 4 + 3 / 4)


def test_aging_pareto_finds_more_of_a_trade_off_than_chance() -> None:
    def both(trial: Trial) -> dict[str, float]:
        values = [int(str(value)) for value in trial.sample.values()]
        return {"high": float(sum(values)), "cost": float(sum(value * value for value in values[:6]))}

    def volume(strategy: Strategy) -> float:
        volumes = []
        for seed in range(3):
            history = simulate(strategy, LARGE, both, 300, seed=seed, objectives={"high": "max", "cost": "min"})
            volumes.append(hypervolume([history.scores(trial) for trial in history.pareto()], (0.0, -40_000.0)))
        return median(volumes)

    assert volume(AgingPareto()) > 1.05 * volume(RandomSearch())


def test_each_member_is_trained_step_by_step() -> None:
    history = simulate(Pbt(["rate"], 6, interval=2, generations=4), TUNED, tuned, trials=1000, workers=3)
    assert len(history) == 24
    for trial in history:
        assert trial.budget == 2 * (trial.note["generation"] + 1)
        if trial.note["generation"]:
            source = history[trial.warm_start if trial.warm_start is not None else -1]
            assert source.note["generation"] == trial.note["generation"] - 1
            assert source.sample["width"] == trial.sample["width"], "weights fit one architecture"
            if source.note["member"] == trial.note["member"]:
                assert source.sample == trial.sample
    copies = [
        t for t in history if t.note["generation"] and history[t.warm_start or 0].note["member"] != t.note["member"]
    ]
    assert copies
    assert any(trial.sample["rate"] != history[trial.warm_start or 0].sample["rate"] for trial in copies)


def tuned(trial: Trial) -> float:
    from math import log10

    return -abs(log10(float(str(trial.sample["rate"]))) + 2) + (trial.budget or 0) / 10


def test_the_worst_copy_the_best() -> None:
    history = simulate(Pbt(["rate"], 10, generations=2, fraction=0.2), TUNED, tuned, trials=20)
    first = sorted((t for t in history if t.note["generation"] == 0), key=history.score)
    by_member = {t.note["member"]: t for t in history if t.note["generation"] == 1}
    # The first to go on compares itself with all others, as with one worker each step ends before the next begins.
    for trial in first[:2]:
        assert by_member[trial.note["member"]].warm_start in {first[-1].number, first[-2].number}
    for trial in first[2:]:
        assert by_member[trial.note["member"]].warm_start == trial.number


def test_bananas_finds_better_ones_than_chance() -> None:
    def best(strategy: Strategy) -> float:
        histories = [simulate(strategy, LARGE, landscape, trials=60, seed=seed) for seed in range(3)]
        return median(history.best.metrics["score"] for history in histories if history.best is not None)

    assert best(Bananas(ensemble=3)) > best(RandomSearch()) + 0.5


def test_the_predictor_learns_what_is_good() -> None:
    samples = [LARGE.random(Random(seed)) for seed in range(220)]
    scores = [sum(int(str(value)) for value in sample.values()) for sample in samples]
    predictor = Predictor(LARGE, samples[:200], [float(score) for score in scores[:200]], 3, (20, 20), 200)
    means, deviations = predictor.judge(samples[200:])
    pairs = [(i, j) for i in range(20) for j in range(i) if scores[200 + i] != scores[200 + j]]
    right = sum((means[i] > means[j]) == (scores[200 + i] > scores[200 + j]) for i, j in pairs)
    assert right > 0.7 * len(pairs)
    assert all(deviation > 0 for deviation in deviations)


def test_a_grid_of_numbers() -> None:
    space = SearchSpace(
        [
            Uniform("rate", low=1e-3, high=1e-1, log=True),
            IntUniform("units", low=1, high=100),
            IntUniform("few", low=0, high=1),
        ]
    )
    history = simulate(GridSearch(resolution=3), space, lambda trial: 0.0, trials=100)
    assert len(history) == 3 * 3 * 2
    assert sorted({trial.sample["rate"] for trial in history}) == pytest.approx([1e-3, 1e-2, 1e-1])
    assert sorted({trial.sample["units"] for trial in history}) == [1, 50, 100]


@pytest.mark.parametrize(
    ("name", "given", "max_trials", "words"),
    [
        ("regularized_evolution", {"population_size": 50}, 40, r"cannot fill population_size=50 in a search of 40"),
        ("aging_pareto", {"population_size": 50}, 40, "population_size=50"),
        ("nsga2", {"population_size": 50}, 40, "population_size=50"),
        ("pbt", {"population_size": 50}, 40, "population_size=50"),
        ("ppo", {"batch_size": 50}, 40, "batch_size=50"),
        ("bananas", {"startup_trials": 50}, 40, "startup_trials=50"),
        ("pbt", {"explore": ["speed"]}, None, "pbt cannot explore 'speed': the space has width, rate"),
        ("grid", {}, None, "continuous choice 'rate'"),
    ],
)
def test_refused_before_it_begins(name: str, given: dict[str, Any], max_trials: int | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plugins.make(name, given).check(TUNED, {"score": "max"}, max_trials)


@pytest.mark.parametrize("name", [entry.name for entry in plugins.registered() if entry.name != "grid"])
def test_a_short_search_with_nothing_said_is_nobody_s_mistake(name: str) -> None:
    plugins.make(name).check(TUNED, {"score": "max"}, 3)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("regularized_evolution", {"population_size": 5}, "cannot draw a tournament of 10 from a population of 5"),
        ("aging_pareto", {"population_size": 5, "tournament_size": 6}, "tournament of 6 from a population of 5"),
        ("pbt", {"explore": "rate"}, "explore='rate': give it a list of labels"),
        ("pbt", {"fraction": 0.7}, "fraction=0.7: give it a number from 0 to 0.5"),
        ("cma_es", {"population_size": 2}, "population_size=2: give it a whole number from 4"),
        ("cma_es", {"sigma": 0}, "sigma=0"),
        ("nsga2", {"crossover": 2}, "crossover=2"),
        ("tpe", {"startup_trials": 0}, "startup_trials=0"),
        ("gp", {"startup_trials": True}, "startup_trials=True"),
        ("bananas", {"hidden": [0]}, "hidden=0"),
        ("grid", {"resolution": 1}, "resolution=1: give it a whole number from 2"),
    ],
)
def test_bad_arguments(name: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plugins.make(name, given)
