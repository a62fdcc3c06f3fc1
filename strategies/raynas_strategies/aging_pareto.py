"""Aging Pareto evolution: regularized evolution whose tournaments are won by non-domination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from random import Random

from raynas import ConfigError, History, Proposal, Sample, SearchSpace, Strategy
from raynas_strategies import arguments
from raynas_strategies.random import RandomSearch
from raynas_strategies.regularized_evolution import POPULATION, child_of

Point = tuple[float, ...]


class AgingPareto(Strategy):
    """Mutates the winner of a tournament by rank and crowding among the latest models; the oldest model dies.

    For several objectives: the cycle is that of Real et al., «Regularized Evolution for Image Classifier Architecture
    Search», AAAI 2019, Algorithm 1 (see `regularized_evolution`), and what is better is decided by the
    crowded-comparison operator ≺_n of Deb, Pratap, Agarwal and Meyarivan, «A Fast and Elitist Multiobjective Genetic
    Algorithm: NSGA-II», IEEE Transactions on Evolutionary Computation 2002, section III-B: the lower non-domination
    rank within the population wins, and within one rank the larger crowding distance. With one objective this is
    regularized evolution.

    Args:
        population_size: P; None: 20.
        tournament_size: S.
    """

    def __init__(self, population_size: int | None = None, tournament_size: int = 5) -> None:
        who = "aging pareto evolution"
        size = POPULATION if population_size is None else arguments.whole(who, "population_size", population_size)
        arguments.whole(who, "tournament_size", tournament_size)
        if tournament_size > size:
            raise ConfigError(
                f"{who} cannot draw a tournament of {tournament_size} from a population of {size}: "
                "make tournament_size smaller or population_size larger"
            )
        self.population_size = population_size
        self.tournament_size = tournament_size
        self._size = size
        self._random = RandomSearch()

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        if self.population_size is not None:
            arguments.fits("aging pareto evolution", "population_size", self.population_size, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        population = history.completed[-self._size :]
        if not population or len(history.completed) + len(history.open) < self._size:
            return self._random.ask(space, history, rng)
        fitness = crowded([history.scores(trial) for trial in population])
        tournament = [rng.randrange(len(population)) for _ in range(self.tournament_size)]
        parent = population[max(tournament, key=fitness.__getitem__)]
        child = child_of(parent, space, history, rng)
        if child is None:
            return self._random.ask(space, history, rng)
        return Proposal(child, note={"parent": parent.number})


def crowded(points: Sequence[Point]) -> list[tuple[int, float]]:
    """For each point minus its non-domination rank, and its crowding distance: more is better by ≺_n."""
    fitness = [(0, 0.0)] * len(points)
    left, rank = set(range(len(points))), 0
    while left:
        front = [i for i in sorted(left) if not any(_dominates(points[j], points[i]) for j in left)]
        for i, distance in zip(front, _distances([points[i] for i in front]), strict=True):
            fitness[i] = -rank, distance
        left.difference_update(front)
        rank += 1
    return fitness


def _dominates(left: Point, right: Point) -> bool:
    return left != right and all(a >= b for a, b in zip(left, right, strict=True))


def _distances(front: Sequence[Point]) -> list[float]:
    """*crowding-distance-assignment*: the sides of the box that a point's neighbours on the front leave it."""
    distances = [0.0] * len(front)
    for m in range(len(front[0])):
        order = sorted(range(len(front)), key=lambda i: front[i][m])
        low, high = front[order[0]][m], front[order[-1]][m]
        distances[order[0]] = distances[order[-1]] = inf
        for before, i, after in zip(order, order[1:], order[2:], strict=False):
            distances[i] += (front[after][m] - front[before][m]) / (high - low) if high > low else 0.0
    return distances
