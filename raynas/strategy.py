"""The plug-in contract: a strategy is one method, a stopper is another."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar

from raynas.errors import PluginError, SampleError
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

    Attributes:
        ends_by_itself: whether it comes to an end however many of its proposals cost no training, as a grid does. The
            search of one that does not is ended after a thousand such proposals in a row.
    """

    ends_by_itself: ClassVar[bool] = False

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

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        """Refuse a search that this strategy cannot do, before anything of it starts.

        Args:
            space: the choices.
            objectives: name of each metric to judge by, and its direction.
            max_trials: how many trials may be trained; None: no limit.

        Raises:
            ConfigError: what is in the way, and the cure.
        """
        return

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


def consult(strategy: Strategy, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
    """Ask `strategy`, and see that what it answers can be tried.

    Raises:
        PluginError: the answer breaks the contract; what `ask` itself raises passes through.
    """
    answer = strategy.ask(space, history, rng)
    if answer is None:
        return None
    name = f"strategy {type(strategy).__name__}"
    if not isinstance(answer, Sample | Proposal):
        raise PluginError(f"{name} answered {answer!r}: let it return a Sample, a Proposal or None")
    proposal = Proposal(answer) if isinstance(answer, Sample) else answer
    if not isinstance(proposal.sample, Sample):
        raise PluginError(f"{name} proposed {proposal.sample!r} as a sample: wrap it in raynas.Sample")
    try:
        space.validate(proposal.sample)
    except SampleError as error:
        raise PluginError(f"{name} proposed what is not a sample of the space: {error}") from None
    if proposal.budget is not None and not 0 < proposal.budget < math.inf:
        raise PluginError(f"{name} proposed a budget of {proposal.budget!r}: give it a positive number or None")
    if proposal.warm_start is not None and not _has_weights(proposal.warm_start, history):
        raise PluginError(f"{name} proposed to start from trial {proposal.warm_start!r}, which has no result")
    try:
        nothing = type(proposal.note) is dict and not proposal.note
        kept = nothing or json.loads(json.dumps(proposal.note)) == proposal.note
    except (TypeError, ValueError):
        kept = False
    if not kept:
        raise PluginError(
            f"{name} noted {proposal.note!r}, which JSON does not keep: note plain lists, dicts and texts"
        )
    return proposal


def _has_weights(number: int, history: History) -> bool:
    try:
        return history[number].has_result
    except KeyError:
        return False
