"""Strain: which share of the latest seconds one piece of work has taken. Pure."""

from __future__ import annotations

import math

MEMORY = 3.0
"""Seconds after which what was weighs a third: about as long as a new process takes that is to help."""

HIGH = 0.5
"""From this share on, help pays: the work is most of what its thread does."""

LOW = 0.1
"""Below this one there is no need of help any more. Far below, for help itself lowers the share."""


class Strain:
    """Measures how busy a thread is with one piece of work.

    Attributes:
        share: of the latest seconds, what the work took; later ones weigh more.
        high: whether there is so much of the work that help is wanted.
    """

    def __init__(self) -> None:
        self.share = 0.0
        self.high = False
        self._until: float | None = None

    def note(self, begun: float, ended: float) -> None:
        """The work was done from one moment to another, and not since the last time."""
        self._pass(begun - (begun if self._until is None else self._until), 0.0)
        self._pass(ended - begun, 1.0)
        self._until = ended
        self.high = self.share >= (LOW if self.high else HIGH)

    def _pass(self, seconds: float, busy: float) -> None:
        self.share = busy + (self.share - busy) * math.exp(-max(0.0, seconds) / MEMORY)
