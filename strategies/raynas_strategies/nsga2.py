"""NSGA-II: evolution of the whole trade-off between several objectives; through Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

from raynas import History, Proposal, SearchSpace, Strategy
from raynas_strategies import arguments
from raynas_strategies.study import Study

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

POPULATION = 20
"""N, where nothing is said of it."""


class Nsga2(Strategy):
    """Breeds generations whose parents are chosen by non-domination first, by crowding distance second.

    Deb, Pratap, Agarwal and Meyarivan, «A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II», IEEE
    Transactions on Evolutionary Computation 2002. In the paper's words: of parents and offspring together, the best N
    by *fast non-dominated sort* (section III-A) and *crowding distance* (III-B) are the next parents; two of them, each
    the winner of a binary tournament, have a child by crossover and mutation. Here it is Optuna's `NSGAIISampler`; each
    trial's generation stands in its note.

    Args:
        population_size: N; None: 20.
        crossover: the probability that a child has two parents.
        mutation: the probability that one of the child's values is drawn anew; None: one over the number of choices.
    """

    def __init__(
        self, population_size: int | None = None, crossover: float = 0.9, mutation: float | None = None
    ) -> None:
        self._size = (
            POPULATION if population_size is None else arguments.whole("nsga2", "population_size", population_size, 2)
        )
        self.population_size = population_size
        self.crossover = arguments.number("nsga2", "crossover", crossover, 0, 1)
        self.mutation = None if mutation is None else arguments.number("nsga2", "mutation", mutation, 0, 1)
        self._study = Study("nsga2", self._sampler, remembered=("NSGAIISampler:generation",), ordered=False)

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        if self.population_size is not None:
            arguments.fits("nsga2", "population_size", self.population_size, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        return self._study.ask(space, history, rng)

    def _sampler(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(
            population_size=self._size,
            crossover_prob=self.crossover,
            mutation_prob=self.mutation,
            seed=seed,
        )
