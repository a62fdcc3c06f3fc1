"""Leaders: the best trials, without looking through all of them each time."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence

from raynas.trial.trial import Trial

MOST = 1000
"""So many are remembered at most."""


class Leaders:
    """The best trained trials of a list that only grows; those of a longer part follow from those of a shorter one.

    Args:
        completed: the list.
        cost: of a trial; the best have the least.
    """

    def __init__(self, completed: Sequence[Trial], cost: Callable[[Trial], float]) -> None:
        self._completed = completed
        self._cost = cost
        self._known: tuple[int, int, tuple[Trial, ...]] = (0, 0, ())

    def first(self, k: int, length: int) -> list[Trial]:
        """The k best of the first `length` trials, best first; of equals, the one that ended first."""
        if not 0 < k <= MOST:
            trained = (self._completed[place] for place in range(length) if self._completed[place].trained)
            return sorted(trained, key=self._cost)[:k]
        # Read and replaced as a whole: several threads may ask.
        most, seen, best = self._known
        if k > most or length < seen:
            most, seen, best = max(k, most), 0, ()
        found = list(best)
        for place in range(seen, length):
            trial = self._completed[place]
            if trial.trained and (len(found) < most or self._cost(trial) < self._cost(found[-1])):
                insort(found, trial, key=self._cost)
                del found[most:]
        self._known = most, length, tuple(found)
        return found[:k]
