"""Overtime: which trials have run for too long, by this machine's clock, for that of a worker's may be another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

LAST_WORDS = 30.0
"""Seconds in which an engine tells the end of a trial that has taken too long, and what it said last."""


class Overtime:
    """For how long trials have been running.

    Args:
        limit: seconds that one may take; None: there is no limit.

    Attributes:
        late: the trials that have been told to end, and when.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.late: dict[int, float] = {}
        self._begun: dict[int, float] = {}

    def due(self) -> float | None:
        """When `passed` should be asked again; None: it need not be."""
        if self.limit is None:
            return None
        timely = [begun + self.limit for number, begun in self._begun.items() if number not in self.late]
        return min(timely + [told + LAST_WORDS for told in self.late.values()], default=None)

    def passed(self, running: Iterable[int], elapsed: float) -> tuple[Sequence[int], Sequence[int]]:
        """The trials that are to be told now that they are late; those that have been told, and will not answer.

        Args:
            running: all that run.
            elapsed: seconds since this start.
        """
        if self.limit is None:
            return (), ()
        self._begun = {number: self._begun.get(number, elapsed) for number in running}
        self.late = {number: told for number, told in self.late.items() if number in self._begun}
        silent = [number for number, told in sorted(self.late.items()) if elapsed - told >= LAST_WORDS]
        late = [number for number, begun in sorted(self._begun.items()) if elapsed - begun >= self.limit]
        told = [number for number in late if number not in self.late]
        self.late.update(dict.fromkeys(told, elapsed))
        return told, silent

    def close(self, number: int) -> float:
        """Forget a trial that was late; how long it had run when it was told so."""
        return self.late.pop(number) - self._begun.pop(number)
