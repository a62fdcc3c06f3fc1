"""Pace: how long jobs take, and what follows: how many make a task, and how many are fetched ahead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

TASK = 0.05
"""Seconds that a task should take at least: handing one over costs some milliseconds of both sides."""

MOST = 64
"""So many jobs a task has at most: they wait for each other."""

SAMPLE = 8
"""Nothing is concluded from fewer jobs than these: the first ones of a worker are slower."""

KNOWN = 8
"""The strategy does not know how what is in flight will end, so that is at most one in so many of what it does know."""

FEW = 4
"""So many jobs wait, one for each slot, while it is not known how long they take; a quarter of the slots, if more."""

REACTION = 1.0
"""A worker whose jobs take less than this, in seconds, has one waiting for it: an answer to its end takes a part of it
that counts. Longer ones are better proposed when more is known."""


ANSWER = 0.02
"""Seconds before the end of its jobs that a worker asks for more: by then it should have been answered."""


class Pace:
    """What the jobs of one engine have taken.

    Args:
        batches: whether a task may have several jobs.
    """

    def __init__(self, batches: bool = True) -> None:
        self.ended = 0
        self._most = MOST if batches else 1
        self._last: deque[tuple[float | None, float]] = deque(maxlen=64)
        self._found: dict[str, float] = {}

    def took(self, budget: float | None, seconds: float) -> None:
        """Note that a job with this budget ended after so many seconds."""
        self._last.append((budget, seconds))
        self.ended += 1
        self._found.clear()

    def expected(self, budget: float | None) -> float:
        """Seconds that most jobs with this budget take less than; infinite where that is not known."""
        if budget is None:
            return self._known("without", lambda: [seconds for given, seconds in self._last if given is None])
        return budget * self._known("each", lambda: [seconds / given for given, seconds in self._last if given])

    def typical(self) -> float:
        """Seconds that most jobs take less than, whatever their budget."""
        return self._known("all", lambda: [seconds for _, seconds in self._last])

    def _known(self, what: str, values: Callable[[], list[float]]) -> float:
        """Their upper quartile, found once: it is asked for with each proposal."""
        if what not in self._found:
            self._found[what] = _upper(values())
        return self._found[what]

    def fill(self, budgets: Sequence[float | None]) -> int:
        """How many of the jobs with these budgets, from the first on, make a whole task; 0: not even all of them."""
        each = {budget: self.expected(budget) for budget in set(budgets)}
        total = 0.0
        for place, budget in enumerate(budgets[: self._most], 1):
            total += each[budget]
            if total >= TASK or place == self._most:
                return place
        return 0

    def is_quick(self, budgets: Sequence[float | None]) -> bool:
        """Whether a task of jobs with these budgets should be over soon after it has begun."""
        return sum(self.expected(budget) for budget in budgets) <= 2 * TASK

    def notice(self, budgets: Sequence[float | None]) -> int:
        """With how many jobs like these left a worker asks for more; 0: its task has no others than it came with."""
        if self._most == 1 or not self.is_quick(budgets):
            return 0
        return math.ceil(ANSWER * len(budgets) / max(sum(self.expected(budget) for budget in budgets), 1e-6))

    def task(self) -> float:
        """Seconds that most tasks take at least; infinite where that is not known."""
        return max(self.typical(), TASK if self._most > 1 else 0.0)

    def ahead(self, slots: int) -> int:
        """How many jobs to hold beside those that run in so many slots."""
        seconds = self.typical()
        if seconds == math.inf:  # they may be short, and the first proposals know of nothing anyway
            return max(min(slots, FEW), slots // 4)
        each = min(MOST, math.ceil(TASK / max(seconds, 1e-6)))
        if each == 1:
            return max(1, min(slots, math.ceil(slots * REACTION / seconds)))
        # A task that runs and one that waits in each slot, and one more in the making.
        return max(slots, min(slots * (3 * each - 1), self.ended // KNOWN))


def _upper(values: Sequence[float]) -> float:
    """The upper quartile: a few slow ones do not count, as a worker's first; where many are slow, they do."""
    return sorted(values)[len(values) * 3 // 4] if len(values) >= SAMPLE else math.inf
