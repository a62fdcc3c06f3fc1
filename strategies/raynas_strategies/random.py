"""Random search: the baseline that every other strategy has to beat."""

from __future__ import annotations

from random import Random

from raynas import History, Sample, SearchSpace, Strategy

DRAWS = 16
"""How often a sample is drawn before the search for a new one goes on in order: past nine tenths of a space, rarely."""


class RandomSearch(Strategy):
    """Draws every choice uniformly, without replacement.

    Bergstra and Bengio, «Random Search for Hyper-Parameter Optimization», JMLR 2012. A sample that has been proposed
    before is drawn again; where the draws keep repeating, because little of the space is left, the next new sample
    behind the last draw in grid order is taken. Ends when the space is exhausted. A continuous space never is.
    """

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | None:
        size = space.size()
        if size is not None and history.distinct >= size:
            return None
        sample = space.random(rng)
        for _ in range(DRAWS):
            if not history.proposed(sample):
                return sample
            sample = space.random(rng)
        if size is None:
            return sample
        return _first_new(space, history, sample) or _first_new(space, history, None)


def _first_new(space: SearchSpace, history: History, after: Sample | None) -> Sample | None:
    return next((sample for sample in space.grid(after) if not history.proposed(sample)), None)
