"""Every registered strategy, the built-in ones and whatever else is installed, holds the contract."""

from collections.abc import Mapping

import pytest

from raynas import SearchSpace, Strategy, plugins
from raynas.testing import StrategyContract


class TestRegisteredStrategy(StrategyContract):
    @pytest.fixture(autouse=True, params=[entry.name for entry in plugins.registered()])
    def named(self, request: pytest.FixtureRequest) -> None:
        self.found = plugins.find(request.param)

    def make(self) -> Strategy:
        return plugins.make(self.found)

    def spaces(self) -> Mapping[str, SearchSpace]:
        """A strategy that tries everything and ends is for spaces that have an end."""
        everything = super().spaces()
        if not self.found.ends_by_itself:
            return everything
        return {name: space for name, space in everything.items() if space.size() is not None}


def test_the_built_in_strategies_are_registered() -> None:
    usable = {entry.name for entry in plugins.registered() if isinstance(entry.found, type)}
    assert {"random", "grid", "regularized_evolution"} <= usable
