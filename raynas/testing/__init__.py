"""The contracts as tests, for authors of plug-ins, and a search without models to try a strategy on.

A plug-in's test subclasses the contract and says how the plug-in is made::

    class TestMyStrategy(StrategyContract):
        def make(self) -> Strategy:
            return MyStrategy()

The contract of engines is in `raynas.testing.engine_contract`, because it needs torch and pytest, and a strategy's
test should not.
"""

from raynas.testing.simulate import simulate
from raynas.testing.spaces import spaces
from raynas.testing.strategy_contract import StrategyContract

__all__ = ["StrategyContract", "simulate", "spaces"]
