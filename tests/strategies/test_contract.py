"""Every registered strategy, the built-in ones and whatever else is installed, holds the contract."""

from collections.abc import Mapping
from typing import Any

import pytest

from raynas import SearchSpace, Strategy, plugins
from raynas.testing import StrategyContract, spaces

FITTED: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"startup_trials": 4},
    "cma_es": {"population_size": 4},
    "nsga2": {"population_size": 4},
    "bohb": {"random_fraction": 0.1},
    "bananas": {"startup_trials": 4, "ensemble": 2, "refit": 3, "hidden": (8,), "epochs": 10},
}
"""Those that fit a model, and arguments with which they do so early; `gp`, which takes a second for it, is apart."""

FLAT = [entry.name for entry in plugins.registered() if entry.name not in {*FITTED, "gp"}]


class TestFlatStrategy(StrategyContract):
    trials = 30
    many = 1000

    @pytest.fixture(autouse=True, params=FLAT)
    def named(self, request: pytest.FixtureRequest) -> None:
        self.found = plugins.find(request.param)

    def make(self) -> Strategy:
        return plugins.make(self.found)


@pytest.mark.slow
class TestFittedStrategy(StrategyContract):
    flat = False
    trials = 14

    @pytest.fixture(autouse=True, params=FITTED)
    def named(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def make(self) -> Strategy:
        return plugins.make(self.name, FITTED[self.name])

    def spaces(self) -> Mapping[str, SearchSpace]:
        return {name: spaces()[name] for name in ("conditional", "continuous", "one sample")}


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestGp(StrategyContract):
    flat = False
    trials = 5

    def make(self) -> Strategy:
        return plugins.make("gp", {"startup_trials": 3})

    def spaces(self) -> Mapping[str, SearchSpace]:
        return {"conditional": spaces()["conditional"]}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FLAT)
def test_ten_thousand_trials_do_not_slow_it_down(name: str) -> None:
    class Long(StrategyContract):
        many = 10_000

        def make(self) -> Strategy:
            return plugins.make(name)

        def spaces(self) -> Mapping[str, SearchSpace]:
            return {"large": spaces()["large"]}

    Long().test_does_not_slow_down()


def test_the_built_in_strategies_are_registered() -> None:
    usable = {entry.name for entry in plugins.registered() if isinstance(entry.found, type)}
    assert {
        *FITTED,
        "gp",
        "random",
        "grid",
        "regularized_evolution",
        "local_search",
        "asha",
        "hyperband",
        "aging_pareto",
        "reinforce",
        "ppo",
        "pbt",
    } <= usable
