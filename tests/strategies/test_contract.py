"""Every registered strategy, the built-in ones and whatever else is installed, holds the contract."""

import pytest

from raynas import Strategy, plugins
from raynas.testing import StrategyContract


class TestRegisteredStrategy(StrategyContract):
    @pytest.fixture(autouse=True, params=[entry.name for entry in plugins.registered()])
    def named(self, request: pytest.FixtureRequest) -> None:
        self.found = plugins.find(request.param)

    def make(self) -> Strategy:
        return plugins.make(self.found)


def test_the_built_in_strategies_are_registered() -> None:
    usable = {entry.name for entry in plugins.registered() if isinstance(entry.found, type)}
    assert {"random", "grid", "regularized_evolution"} <= usable
