"""Grid search: every sample of a finite space, in order."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from random import Random

from raynas import Categorical, ConfigError, Domain, History, IntUniform, Proposal, SearchSpace, Strategy, Uniform
from raynas_strategies import arguments

NOTE = {"by": "grid"}


class GridSearch(Strategy):
    """Proposes every sample once, the last choice changing fastest, and ends.

    Where it stands is the sample of its own last proposal, which its note tells from samples that were tried first at
    the user's wish; those are left out when their turn comes.

    Args:
        resolution: of a number between two bounds, so many values are tried, evenly spread (by ratio, where the choice
            is logarithmic), both bounds among them. None: every whole number; a continuous choice is refused.
    """

    ends_by_itself = True

    def __init__(self, resolution: int | None = None) -> None:
        self.resolution = None if resolution is None else arguments.whole("grid search", "resolution", resolution, 2)
        self._seen: tuple[SearchSpace, SearchSpace] | None = None

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        self._points(space)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        last = history.latest
        after = last.sample if last is not None and last.note == NOTE else None
        for sample in self._points(space).grid(after):
            if not history.proposed(sample):
                return Proposal(sample, note=dict(NOTE))
        return None

    def _points(self, space: SearchSpace) -> SearchSpace:
        """The space with its numbers at the points of the grid."""
        if self._seen is None or self._seen[0] is not space:
            self._seen = space, SearchSpace([self._listed(domain) for domain in space])
        return self._seen[1]

    def _listed(self, domain: Domain) -> Domain:
        if isinstance(domain, Uniform | IntUniform) and self.resolution is not None:
            points = _spread(domain, self.resolution)
            return Categorical(domain.label, domain.when, candidates=tuple(dict.fromkeys(points)), where=domain.where)
        if domain.size() is None:
            raise ConfigError(
                f"grid search cannot enumerate the continuous choice '{domain.label}': "
                "give it a list of values, give the search a resolution, or take another strategy"
            )
        return domain


def _spread(domain: Uniform | IntUniform, count: int) -> list[float]:
    """`count` numbers from the lower bound to the upper, whole ones where the domain is of whole ones."""
    low, high = domain.low, domain.high
    steps = [i / (count - 1) for i in range(1, count - 1)]
    if domain.log:
        inner = [exp(log(low) + (log(high) - log(low)) * step) for step in steps]
    else:
        inner = [low + (high - low) * step for step in steps]
    if isinstance(domain, IntUniform):
        return [low, *(min(max(round(value), low), high) for value in inner), high]
    return [low, *(min(max(value, low), high) for value in inner), high]
