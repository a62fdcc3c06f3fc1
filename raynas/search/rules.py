"""Rules: what the state has to know of a run's definition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raynas.trial.history import Direction

UNPAID = 1000
"""How many proposals in a row may cost no training before the search ends."""

FIRST = 3
"""A search whose first trials, at least this many, all fail with one exception cannot go on."""


@dataclass(frozen=True)
class Rules:
    """What decides when to ask, train, repeat and end.

    Attributes:
        objectives: name of each metric to judge by, and its direction.
        max_trials: how many trials may cost training; None: any number.
        max_time: seconds from this start; None: no limit.
        dedup: whether a trial with a known key shares that one's outcome.
        replicates: how often every candidate is trained.
        keep: of how many best trials the weights stay.
        keeps_parents: whether the strategy names trials whose weights must stay, so that every result leaves its own.
        unpaid: how many proposals in a row may cost no training; None: any number, for a strategy that ends by itself.
        max_concurrent: how many jobs the engine holds at most; None: as many as it has room for.
        trial_timeout: seconds that an attempt may take from its start; None: no limit.
    """

    objectives: Mapping[str, Direction]
    max_trials: int | None = None
    max_time: float | None = None
    dedup: bool = True
    replicates: int = 1
    keep: int = 1
    keeps_parents: bool = False
    unpaid: int | None = UNPAID
    max_concurrent: int | None = None
    trial_timeout: float | None = None

    @property
    def metric(self) -> str:
        """The first objective: what «best» means."""
        return next(iter(self.objectives))
