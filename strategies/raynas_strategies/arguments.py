"""Constructor arguments: checked where they are given, so that a mistake is told before anything starts."""

from __future__ import annotations

import math
from typing import Any

from raynas import ConfigError


def whole(who: str, name: str, value: Any, least: int = 1) -> int:
    """`value`, if it is a whole number from `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{who} got {name}={value!r}: give it a whole number from {least}")
    return value


def number(who: str, name: str, value: Any, low: float = 0.0, high: float = math.inf, above: bool = False) -> float:
    """`value`, if it is a finite number from `low` (or, with `above`, above it) to `high`."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not low <= value <= high or (above and value == low):
        start = f"above {low:g}" if above else f"from {low:g}"
        end = f" to {high:g}" if math.isfinite(high) else ""
        raise ConfigError(f"{who} got {name}={value!r}: give it a number {start}{end}")
    return float(value)


def rungs(who: str, min_budget: Any, max_budget: Any, reduction_factor: Any) -> tuple[float, ...]:
    """Budgets from `min_budget`, each `reduction_factor` times the one before, up to `max_budget`: at least two."""
    number(who, "min_budget", min_budget, above=True)
    number(who, "max_budget", max_budget, above=True)
    whole(who, "reduction_factor", reduction_factor, 2)
    budgets = [min_budget]
    while budgets[-1] * reduction_factor <= max_budget * (1 + 1e-9):
        budgets.append(budgets[-1] * reduction_factor)
    if len(budgets) < 2:
        raise ConfigError(
            f"{who} cannot raise a budget from {min_budget:g} to {max_budget:g} by a factor of {reduction_factor}: "
            "make max_budget larger, or min_budget or reduction_factor smaller"
        )
    return tuple(budgets)


def fits(who: str, name: str, value: int, max_trials: int | None) -> None:
    """Refuse a search of fewer trials than this strategy needs for its beginning."""
    if max_trials is not None and value > max_trials:
        raise ConfigError(
            f"{who} cannot fill {name}={value} in a search of {max_trials} trials: "
            f"make {name} smaller or max_trials larger"
        )
