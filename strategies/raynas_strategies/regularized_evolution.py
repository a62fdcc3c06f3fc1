"""Regularized evolution: tournament selection in a population from which the oldest, not the worst, is removed."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from raynas import ConfigError, History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.random import RandomSearch

POPULATION = 20
"""P, where nothing is said of it."""

CLOSE = 10
"""How many mutations of the parent are tried before the child moves on from them, …"""
FAR = 30
"""… and how many steps it may take until a random sample replaces it."""


class RegularizedEvolution(Strategy):
    """Mutates the winner of a tournament among the latest models; the oldest model dies.

    Aging evolution, Algorithm 1 of Real, Aggarwal, Huang and Le, «Regularized Evolution for Image Classifier
    Architecture Search», AAAI 2019. In the paper's words: the *population* holds the P models that were evaluated
    last. Until P models have been begun, models are drawn at *random*. After that, each *cycle* draws S of the
    population at random, with replacement (the *sample*, here called tournament), takes the one of highest accuracy
    as *parent*, *mutates* one of its choices, and adds the *child* to the right of the population, while the oldest,
    on the left, *dies*.

    With many workers, models that are still being trained count towards the first P, and those that failed do not.
    Where the paper trains a child again that equals an earlier model, here another mutation is drawn.

    Args:
        population_size: P; None: 20. The paper's 100 is for 20,000 models; 20 leaves half of a 40-trial search to
            evolution and does well for hundreds, while a search of thousands gains a little from 100.
        tournament_size: S. More is greedier: the paper's quarter of the population (25 of 100) does well in long
            searches, but in short ones it hardly beats random search, and a half does.
    """

    def __init__(self, population_size: int | None = None, tournament_size: int = 10) -> None:
        who = "regularized evolution"
        size = POPULATION if population_size is None else arguments.whole(who, "population_size", population_size)
        arguments.whole(who, "tournament_size", tournament_size)
        if tournament_size > size:
            raise ConfigError(
                f"regularized evolution cannot draw a tournament of {tournament_size} from a population of "
                f"{size}: make tournament_size smaller or population_size larger"
            )
        self.population_size = population_size
        self.tournament_size = tournament_size
        self._size = size
        self._random = RandomSearch()

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        # A short search that says nothing of a population is a random one, and nobody's mistake.
        if self.population_size is not None:
            arguments.fits("regularized evolution", "population_size", self.population_size, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        population = history.completed[-self._size :]
        if not population or len(history.completed) + len(history.open) < self._size:
            return self._random.ask(space, history, rng)
        tournament = [population[rng.randrange(len(population))] for _ in range(self.tournament_size)]
        parent = max(tournament, key=history.score)
        child = child_of(parent, space, history, rng)
        if child is None:
            return self._random.ask(space, history, rng)
        return Proposal(child, note={"parent": parent.number})


def child_of(parent: Trial, space: SearchSpace, history: History, rng: Random) -> Sample | None:
    """A new sample one mutation away from the parent or, where those are used up, a few more; None after many."""
    sample = parent.sample
    for step in range(FAR):
        changed = space.mutate(parent.sample if step < CLOSE else sample, rng)
        if changed is None:
            return None
        if not history.proposed(changed):
            return changed
        sample = changed
    return None
