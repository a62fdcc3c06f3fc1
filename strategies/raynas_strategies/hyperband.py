"""Hyperband: successive halving, with more and with less patience in turn."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import ceil
from random import Random

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.random import RandomSearch

Draw = Callable[[SearchSpace, History, Random], Sample | None]


@dataclass
class Rung:
    """One budget of one bracket.

    Attributes:
        ended: how many of its trials have ended.
        results: those with a result: minus the score, when it ended, the number; best first.
        promoted: numbers of those whose successors have ended.
    """

    ended: int = 0
    results: list[tuple[float, int, int]] = field(default_factory=list)
    promoted: set[int] = field(default_factory=set)


@dataclass
class Brackets:
    """The brackets that have been begun.

    Attributes:
        begun: how many.
        live: the rungs of those in which something may still be proposed, by number.
    """

    begun: int = 0
    live: dict[int, list[Rung]] = field(default_factory=dict)


class Hyperband(Strategy):
    """Runs brackets of successive halving, each with fewer models and larger first budgets than the one before.

    Algorithm 1 of Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, «Hyperband: A Novel Bandit-Based Approach to
    Hyperparameter Optimization», JMLR 2018. In the paper's words: with maximum resource R and factor η, and s_max the
    largest s for which R·η^(-s) is allowed, *bracket* s = s_max, …, 0 draws n = ⌈(s_max+1)/(s+1)·η^s⌉ configurations
    (line 2) and begins with the resource r = R·η^(-s); for i = 0, …, s it trains n_i = ⌊n·η^(-i)⌋ of them with
    r_i = r·η^i each (lines 5 and 6) and keeps the top ⌊n_i/η⌋. After s = 0 it begins again with s_max.

    A configuration that stays goes on from the weights that it had. A worker that would have to wait for the last
    trials of a rung works on the next bracket meanwhile.

    Args:
        min_budget: the smallest resource, in the evaluator's unit (epochs, usually).
        max_budget: R; rounded down to `min_budget` times a power of η.
        reduction_factor: η.
    """

    def __init__(self, min_budget: float = 1, max_budget: float = 9, reduction_factor: int = 3) -> None:
        self._budgets = arguments.rungs("hyperband", min_budget, max_budget, reduction_factor)
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.reduction_factor = reduction_factor
        self._random = RandomSearch()
        self._brackets = Folded(Brackets, self._end)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        return self.next(space, history, rng, self._random.ask)

    def next(self, space: SearchSpace, history: History, rng: Random, draw: Draw) -> Proposal | None:
        """The next proposal, if `draw` gives the new configurations."""
        brackets = self._brackets.of(history)
        for trial in history.open:
            self._begin(brackets, trial)
        size = space.size()
        exhausted = size is not None and history.distinct >= size
        for bracket in sorted(brackets.live):
            step = self._step(bracket, brackets.live[bracket], history, exhausted)
            if isinstance(step, Proposal):
                return step
            if step == "draw":
                return self._drawn(bracket, draw(space, history, rng))
            if step == "over":
                del brackets.live[bracket]
        return None if exhausted else self._drawn(brackets.begun, draw(space, history, rng))

    def parents(self, history: History) -> Collection[int]:
        keep: set[int] = set()
        for bracket, rungs in self._brackets.of(history).live.items():
            for i, rung in enumerate(rungs[:-1]):
                best = rung.results[: self._sizes(bracket)[i + 1]]
                keep.update(number for _, _, number in best if number not in rung.promoted)
        return keep

    def _drawn(self, bracket: int, sample: Sample | None) -> Proposal | None:
        if sample is None:
            return None
        return Proposal(sample, self._first_budget(bracket), note={"bracket": bracket, "rung": 0})

    def _step(self, bracket: int, rungs: list[Rung], history: History, exhausted: bool) -> Proposal | str:
        """A promotion; or what comes next in the bracket: "draw", "wait", or nothing ("over")."""
        own = [trial for trial in history.open if trial.note.get("bracket") == bracket]
        sizes = self._sizes(bracket)
        for i, rung in enumerate(rungs):
            still = sum(trial.note["rung"] == i for trial in own)
            if i == 0:
                if rung.ended + still < sizes[0] and not exhausted:
                    return "draw"
            else:
                below = rungs[i - 1]
                gone = below.promoted.union(trial.note["from"] for trial in own if trial.note["rung"] == i)
                for _, _, number in below.results[: sizes[i]]:
                    if number not in gone:
                        note = {"bracket": bracket, "rung": i, "from": number}
                        budget = self._budgets[len(self._budgets) - len(sizes) + i]
                        return Proposal(history[number].sample, budget, number, note)
            if still:
                return "wait"
        return "over"

    def _sizes(self, bracket: int) -> list[int]:
        """n_i for each rung of the bracket with this number."""
        eta, s_max = self.reduction_factor, len(self._budgets) - 1
        s = s_max - bracket % (s_max + 1)
        n = ceil((s_max + 1) / (s + 1) * eta**s)
        return [n // eta**i for i in range(s + 1)]

    def _first_budget(self, bracket: int) -> float:
        return self._budgets[len(self._budgets) - len(self._sizes(bracket))]

    def _begin(self, brackets: Brackets, trial: Trial) -> None:
        while brackets.begun <= trial.note.get("bracket", -1):
            brackets.live[brackets.begun] = [Rung() for _ in self._sizes(brackets.begun)]
            brackets.begun += 1

    def _end(self, brackets: Brackets, trial: Trial, history: History) -> None:
        self._begin(brackets, trial)
        note = trial.note
        if note.get("bracket") not in brackets.live:
            return
        bracket, i = note["bracket"], note["rung"]
        rung = brackets.live[bracket][i]
        rung.ended += 1
        if trial.has_result:
            insort(rung.results, (-history.score(trial), trial.order or 0, trial.number))
        if "from" in note:
            brackets.live[bracket][i - 1].promoted.add(note["from"])
