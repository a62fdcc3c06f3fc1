"""GP: Bayesian optimisation with a Gaussian process; through Optuna."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from raynas import History, Proposal, SearchSpace, Strategy
from raynas_strategies import arguments
from raynas_strategies.study import Study, needed

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Gp(Strategy):
    """Proposes the sample with the largest expected improvement under a Gaussian process.

    Snoek, Larochelle and Adams, «Practical Bayesian Optimization of Machine Learning Algorithms», NIPS 2012: a Matérn
    5/2 kernel with one length scale for each choice (section 3.1), and the expected improvement (eq. 2). Here it is
    Optuna's `GPSampler`, which takes the logarithm of it (Ament et al. 2023). Choices that count in every trial are
    modelled; those of a branch are drawn at random. Each proposal takes a good part of a second, so it is for searches
    of at most a few hundred long trials. It needs SciPy and, inside Optuna, torch.

    Args:
        startup_trials: how many random trials come first.
    """

    def __init__(self, startup_trials: int = 10) -> None:
        self.startup_trials = arguments.whole("gp", "startup_trials", startup_trials)
        needed("gp", "scipy")
        self._study = Study("gp", self._sampler)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        return self._study.ask(space, history, rng)

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup_trials, deterministic_objective=False)
