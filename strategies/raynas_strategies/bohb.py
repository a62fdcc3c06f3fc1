"""BOHB: Hyperband, with a model instead of chance; through Optuna."""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import TYPE_CHECKING

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.hyperband import Hyperband
from raynas_strategies.random import RandomSearch
from raynas_strategies.study import Study

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Bohb(Strategy):
    """Runs Hyperband's brackets, with configurations that a density model of the largest usable budget draws.

    Falkner, Klein and Hutter, «BOHB: Robust and Efficient Hyperparameter Optimization at Scale», ICML 2018. In the
    paper's words: Algorithm 2 samples a new configuration at random with probability ρ; otherwise b is the largest
    budget for which there are at least N_min + 2 observations (if none has so many, the draw is random), and the
    configuration is the one with the largest l(x)/g(x) (eqs. 2 and 3) of N_s draws, by densities of the observations
    with budget b. N_min is the number of choices plus one. The density model is Optuna's `TPESampler`; see `tpe`.

    Args:
        min_budget: the smallest resource, in the evaluator's unit (epochs, usually).
        max_budget: R; rounded down to `min_budget` times a power of η.
        reduction_factor: η.
        random_fraction: ρ.
        candidates: N_s.
    """

    def __init__(
        self,
        min_budget: float = 1,
        max_budget: float = 9,
        reduction_factor: int = 3,
        random_fraction: float = 1 / 3,
        candidates: int = 64,
    ) -> None:
        arguments.rungs("bohb", min_budget, max_budget, reduction_factor)
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.reduction_factor = reduction_factor
        self.random_fraction = arguments.number("bohb", "random_fraction", random_fraction, 0, 1)
        self.candidates = arguments.whole("bohb", "candidates", candidates)
        self._hyperband = Hyperband(min_budget, max_budget, reduction_factor)
        self._random = RandomSearch()
        self._study = Study("bohb", self._sampler, several=False)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        return self._hyperband.next(space, history, rng, self._draw)

    def parents(self, history: History) -> Collection[int]:
        return self._hyperband.parents(history)

    def _draw(self, space: SearchSpace, history: History, rng: Random) -> Sample | None:
        observations = _observations(history, len(space) + 3)
        if rng.random() < self.random_fraction or not observations:
            return self._random.ask(space, history, rng)
        proposal = self._study.ask(space, history, rng, observations)
        return None if proposal is None else proposal.sample

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=1, n_ei_candidates=self.candidates, seed=seed, multivariate=True, group=True)


def _observations(history: History, least: int) -> list[Trial]:
    """The trials with the largest budget that at least so many have; none where no budget has."""
    by_budget: dict[float, list[Trial]] = {}
    for trial in history.completed:
        if trial.budget is not None:
            by_budget.setdefault(trial.budget, []).append(trial)
    usable = [budget for budget, trials in by_budget.items() if len(trials) >= least]
    return sorted(by_budget[max(usable)], key=lambda trial: trial.number) if usable else []
