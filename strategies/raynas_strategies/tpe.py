"""TPE: model the good and the bad ones, and propose what looks good and not bad; through Optuna."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from raynas import History, Proposal, SearchSpace, Strategy
from raynas_strategies import arguments
from raynas_strategies.study import Study

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Tpe(Strategy):
    """Proposes the sample whose likelihood among good trials is largest against that among the others.

    The Tree-structured Parzen Estimator of Bergstra, Bardenet, Bengio and Kégl, «Algorithms for Hyper-Parameter
    Optimization», NIPS 2011: trials are split by the quantile γ into those better than y* and the rest, with densities
    l(x) and g(x) (eq. 2), and the expected improvement, which grows with l(x)/g(x) (eq. 3), is maximised over draws
    from l. Here it is Optuna's `TPESampler`, with choices that are joint where they count together (*group*), running
    trials counted as bad (*constant liar*), and for several objectives the split by non-domination of Ozaki et al.
    2020.

    Args:
        startup_trials: how many random trials come first.
        candidates: how many draws from l are compared.
    """

    def __init__(self, startup_trials: int = 10, candidates: int = 24) -> None:
        self.startup_trials = arguments.whole("tpe", "startup_trials", startup_trials)
        self.candidates = arguments.whole("tpe", "candidates", candidates)
        self._study = Study("tpe", self._sampler)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        return self._study.ask(space, history, rng)

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(
            n_startup_trials=self.startup_trials,
            n_ei_candidates=self.candidates,
            seed=seed,
            multivariate=True,
            group=True,
            constant_liar=True,
        )
