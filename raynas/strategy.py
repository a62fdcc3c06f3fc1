"""The plug-in contract: a strategy is one method, a stopper is another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from raynas.search_space import Sample, SearchSpace
from raynas.trial import History, Trial


@dataclass(frozen=True)
class Proposal:
    """A sample to try, and how.

    Attributes:
        sample: the point of the search space.
        budget: what the trial may spend, in the evaluator's unit (epochs, for the built-in ones); None: all it wants.
        warm_start: number of the trial whose weights it starts from.
        note: JSON data that is stored with the trial and comes back in `History` (a bracket, a generation).
    """

    sample: Sample
    budget: float | None = None
    warm_start: int | None = None
    note: Mapping[str, Any] = field(default_factory=dict)


class Strategy(ABC):
    """Decides what to try next.

    History is the state: `ask` must be a function of its three arguments. What a strategy keeps on itself beside its
    parameters is a cache that it can rebuild from the history; so resume, crashes and many workers need no code in it.
    """

    @abstractmethod
    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        """The next thing to try.

        Args:
            space: the choices, and nothing of the model.
            history: every proposal so far with its state, result and note.
            rng: seeded from the experiment's seed and the number that this proposal will have.

        Returns:
            A sample of `space` or a `Proposal`. None means «not now»: `ask` is called again when the history has
            changed; while nothing runs, None ends the search.
        """

    def parents(self, history: History) -> Collection[int]:
        """Numbers of the trials whose weights must be kept, because a later proposal may start from them."""
        return ()


class Stopper(ABC):
    """Ends trials between their reports."""

    @abstractmethod
    def should_stop(self, trial: Trial, history: History) -> bool:
        """Whether `trial`, which has just reported (`trial.reports[-1]`), should end with that report as its result."""


def generator(seed: int, number: int) -> Random:
    """The random numbers for the proposal with this number, the same wherever and whenever it is asked for."""
    return Random(f"{seed}/{number}")
