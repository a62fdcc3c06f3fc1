"""Folded: what a strategy has made of the ended trials, kept from one question to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from raynas import History, Trial

S = TypeVar("S")


class Folded(Generic[S]):
    """A cache of a fold over `history.ended`: new trials are added, and another history is begun anew.

    So a strategy that needs all trials takes the time of the new ones only, and is still a function of the history.

    Args:
        start: makes the state of no trials.
        step: takes one more ended trial into it; it may use the history, but no trial behind this one.
    """

    def __init__(self, start: Callable[[], S], step: Callable[[S, Trial, History], None]) -> None:
        self._start = start
        self._step = step
        self._state: S | None = None
        self._seen = 0
        self._last: Trial | None = None

    def of(self, history: History) -> S:
        """The state of this history; it belongs to the caller until the next call."""
        ended = history.ended
        # An ended trial's record never changes: where the last one seen stands in its place, so do those before it.
        if not self._seen or self._seen > len(ended) or ended[self._seen - 1] is not self._last:
            self._state, self._seen = None, 0
        state = self._start() if self._state is None else self._state
        for place in range(self._seen, len(ended)):
            self._step(state, ended[place], history)
        self._state, self._seen, self._last = state, len(ended), ended[-1] if ended else None
        return state
