"""ASHA: many short trainings, of which the promising go on."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isqrt
from random import Random

from raynas import ConfigError, History, Proposal, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.random import RandomSearch

Place = tuple[float, int, int]
"""A trial in its rung, best first: minus its score, when it ended, its number."""


@dataclass
class Rung:
    """The trials that have ended with one budget.

    Attributes:
        size: how many have a result.
        places: where each of them stands.
        left: those that may still be promoted.
    """

    size: int = 0
    places: list[Place] = field(default_factory=list)
    left: list[Place] = field(default_factory=list)


class Asha(Strategy):
    """Promotes a model to the next budget as soon as it is among the best 1/η of its rung; asynchronous halving.

    Algorithm 2 of Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, «A System for Massively
    Parallel Hyperparameter Tuning», MLSys 2020. In the paper's words: with minimum resource r, maximum resource R,
    reduction factor η and minimum early-stopping rate s, *rung* k holds the configurations trained with the budget
    r·η^(s+k). `get_job` looks from the highest rung but one downwards for a *promotable* configuration, one of the top
    ⌊|rung k|/η⌋ that has not been promoted before, and else adds a random configuration to the bottom rung.

    A promoted trial starts from the weights that the lower rung left behind and goes on to the larger budget. Those
    weights are kept while their trial may still be promoted, that is, while it is not too far (2√n + η places) behind
    the top 1/η of the n in its rung. Models equal to earlier ones enter no rung.

    Args:
        min_budget: r, in the evaluator's unit (epochs, usually).
        max_budget: R.
        reduction_factor: η.
        early_stopping_rate: s, how many of the lowest budgets are left out.
    """

    def __init__(
        self,
        min_budget: float = 1,
        max_budget: float = 9,
        reduction_factor: int = 3,
        early_stopping_rate: int = 0,
    ) -> None:
        all_budgets = arguments.rungs("asha", min_budget, max_budget, reduction_factor)
        arguments.whole("asha", "early_stopping_rate", early_stopping_rate, 0)
        budgets = all_budgets[early_stopping_rate:]
        if len(budgets) < 2:
            raise ConfigError(
                f"asha leaves out {early_stopping_rate} of {len(all_budgets)} budgets: "
                "make early_stopping_rate smaller, so that two are left"
            )
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.reduction_factor = reduction_factor
        self.early_stopping_rate = early_stopping_rate
        self._budgets = budgets
        self._random = RandomSearch()
        self._rungs = Folded(lambda: [Rung() for _ in budgets], self._end)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        rungs = self._rungs.of(history)
        on_the_way = {trial.note.get("from") for trial in history.open}
        for k in reversed(range(len(rungs) - 1)):
            number = self._promotable(rungs[k], on_the_way)
            if number is not None:
                note = {"rung": k + 1, "from": number}
                return Proposal(history[number].sample, self._budgets[k + 1], number, note)
        sample = self._random.ask(space, history, rng)
        return None if sample is None else Proposal(sample, self._budgets[0], note={"rung": 0})

    def parents(self, history: History) -> Collection[int]:
        return {number for rung in self._rungs.of(history)[:-1] for _, _, number in rung.left}

    def _promotable(self, rung: Rung, on_the_way: Collection[int | None]) -> int | None:
        best = next((place for place in rung.left if place[2] not in on_the_way), None)
        if best is None or bisect_left(rung.places, best) >= rung.size // self.reduction_factor:
            return None
        return best[2]

    def _end(self, rungs: list[Rung], trial: Trial, history: History) -> None:
        k = rung_of(trial.note, len(rungs))
        if k is None:
            return
        if "from" in trial.note:
            left = rungs[k - 1].left
            at = bisect_left(left, _place(history[trial.note["from"]], history))
            if at < len(left) and left[at][2] == trial.note["from"]:
                del left[at]
        if not trial.trained:
            return
        rung = rungs[k]
        place = _place(trial, history)
        insort(rung.places, place)
        insort(rung.left, place)
        rung.size += 1
        reach = rung.size // self.reduction_factor + 2 * isqrt(rung.size) + self.reduction_factor
        if rung.size > reach:
            out = rung.places[reach]
            del rung.left[bisect_left(rung.left, out) :]


def _place(trial: Trial, history: History) -> Place:
    return -history.score(trial), trial.order or 0, trial.number


def rung_of(note: Mapping[str, object], rungs: int) -> int | None:
    """The rung that a note names, if there is one."""
    k = note.get("rung")
    return k if isinstance(k, int) and 0 <= k < rungs else None
