"""Run it with `pytest`: the contract that every strategy holds, and what this one is for."""

import pytest
from annealing import Annealing

from raynas import ConfigError
from raynas.testing import StrategyContract, simulate, spaces


class TestAnnealing(StrategyContract):
    def make(self) -> Annealing:
        return Annealing()


def test_it_climbs() -> None:
    space = spaces()["large"]
    history = simulate(Annealing(), space, lambda trial: float(sum(trial.sample.values())), trials=300, workers=4)
    assert history.best is not None and history.best.metrics["score"] > 650


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="cooling between 0 and 1"):
        Annealing(cooling=1)
