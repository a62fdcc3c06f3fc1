"""The door to Optuna: what the sampler sees of a history, and what becomes of its answer."""

from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any

import optuna
import pytest
from raynas_strategies.cma_es import CmaEs
from raynas_strategies.nsga2 import Nsga2
from raynas_strategies.study import Study
from raynas_strategies.tpe import Tpe

from raynas import ConfigError, History, Sample, SearchSpace, Trial
from raynas.search_space import Categorical, Condition, IntUniform, Uniform
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape, troubled

CONDITIONAL = SearchSpace(
    [
        Categorical("model", candidates=("svc", "forest", "linear")),
        Uniform("c", ((Condition("model", ("svc",)),),), low=1e-3, high=1e3, log=True),
        IntUniform("depth", ((Condition("model", ("forest",)),),), low=1, high=32),
        Uniform("shrink", ((Condition("model", ("forest",)),),), low=0.0, high=1.0),
    ]
)


def conditional(sample: Any) -> float:
    """A function whose arguments depend on each other: best is a forest of depth 11 with shrink 0.3, at 0."""
    from math import log10

    if sample["model"] == "svc":
        return -0.5 - abs(log10(sample["c"]) - 1)
    if sample["model"] == "linear":
        return -2.0
    return -abs(sample["depth"] - 11) / 8 - abs(sample["shrink"] - 0.3)


def define_by_run(seed: int, trials: int) -> float:
    """The best that Optuna finds by itself, with the same sampler."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        sample: dict[str, Any] = {"model": trial.suggest_categorical("model", ["svc", "forest", "linear"])}
        if sample["model"] == "svc":
            sample["c"] = trial.suggest_float("c", 1e-3, 1e3, log=True)
        if sample["model"] == "forest":
            sample["depth"] = trial.suggest_int("depth", 1, 32)
            sample["shrink"] = trial.suggest_float("shrink", 0.0, 1.0)
        return conditional(sample)

    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study.best_value


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_conditional_function_is_searched_as_well_as_by_define_by_run() -> None:
    seeds, trials = range(7), 60
    theirs = median(define_by_run(seed, trials) for seed in seeds)
    histories = [simulate(Tpe(), CONDITIONAL, lambda t: conditional(t.sample), trials, seed=seed) for seed in seeds]
    ours = median(history.best.metrics["score"] for history in histories if history.best is not None)
    assert ours > theirs - 0.1
    assert ours > -0.35


class Spy(optuna.samplers.RandomSampler):
    """Keeps the study that it is asked about."""

    trials: list[optuna.trial.FrozenTrial]

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        type(self).trials = study.get_trials()
        return super().infer_relative_search_space(study, trial)


def test_the_sampler_sees_the_history_as_it_is() -> None:
    seen: list[History] = []
    study = Study("spy", lambda seed: Spy(seed=seed))

    class Spying(Tpe):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Any:
            seen.append(history)
            return study.ask(space, history, rng)

    space = spaces()["conditional"]
    simulate(Spying(), space, troubled, trials=12, workers=3, seed=3)
    history = next(h for h in reversed(seen) if h.distinct < 15)
    study.ask(space, history, Random(0))
    states = {"finished": "COMPLETE", "failed": "FAIL", "infeasible": "FAIL"}
    assert len({trial.state for trial in history}) >= 3
    for trial, theirs in zip(history, Spy.trials, strict=False):
        assert theirs.state.name == states.get(str(trial.state), "RUNNING")
        assert set(theirs.params) == set(trial.sample), "a choice that does not count is no parameter"
        if trial.has_result:
            assert theirs.values == [history.score(trial)]


def test_a_sampler_that_repeats_itself_is_led_on() -> None:
    class Fixed(optuna.samplers.RandomSampler):
        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return distribution.to_external_repr(0)

    study = Study("fixed", lambda seed: Fixed())

    class Fixating(Tpe):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Any:
            return study.ask(space, history, rng)

    space = spaces()["flat"]
    history = simulate(Fixating(), space, landscape, trials=100)
    assert len(history) == history.distinct == space.size()


def height(sample: Sample) -> dict[str, float]:
    total = sum(int(str(value)) for value in sample.values())
    return {"high": float(total), "even": -float(sum(abs(int(str(value)) - 40) for value in sample.values()))}


@pytest.mark.slow
def test_nsga2_finds_more_of_a_trade_off_than_chance() -> None:
    from raynas_strategies.random import RandomSearch

    from raynas.trial.pareto import hypervolume

    space = spaces()["large"]

    def volume(make: Callable[[], Any]) -> float:
        volumes = []
        for seed in range(3):
            history = simulate(
                make(), space, lambda t: height(t.sample), 200, seed=seed, objectives={"high": "max", "even": "max"}
            )
            volumes.append(hypervolume([history.scores(trial) for trial in history.pareto()], (0.0, -500.0)))
        return median(volumes)

    assert volume(lambda: Nsga2(population_size=10)) > volume(RandomSearch)


def test_nsga2_counts_generations_in_its_notes() -> None:
    history = simulate(Nsga2(population_size=5), spaces()["large"], landscape, trials=25)
    generations = [trial.note["sampler"]["NSGAIISampler:generation"] for trial in history]
    assert generations[:5] == [0] * 5
    assert generations == sorted(generations)
    assert generations[-1] >= 3


def test_cma_es_finds_the_middle_of_a_valley() -> None:
    space = SearchSpace([*(Uniform(f"x{i}", low=-4.0, high=4.0) for i in range(3)), IntUniform("n", low=0, high=20)])

    def sphere(trial: Trial) -> float:
        values: Any = trial.sample
        return -sum((values[f"x{i}"] - 1) ** 2 for i in range(3)) - (values["n"] - 13) ** 2 / 10

    for workers in (1, 4):
        history = simulate(CmaEs(), space, sphere, trials=250, workers=workers)
        assert history.best is not None and history.best.metrics["score"] > -0.05


def test_without_its_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"strategy tpe needs optuna \(.*\): pip install 'raynas\[optuna\]'"):
        Tpe()
