"""CMA-ES: a normal distribution that moves, stretches and turns towards what is better."""

from __future__ import annotations

from math import exp, log
from random import Random
from typing import TYPE_CHECKING, Any

from raynas import Domain, History, IntUniform, Proposal, Sample, SearchSpace, Strategy, Trial, Uniform
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.random import RandomSearch
from raynas_strategies.study import ascending, needed

if TYPE_CHECKING:
    from cmaes import CMAwM

TRIES = 4
"""How often something new is drawn from the distribution before it is drawn anywhere."""


class CmaEs(Strategy):
    """Draws the numbers of each generation from a normal distribution that the generation before has shaped.

    Hansen, «The CMA Evolution Strategy: A Tutorial», 2016: x ~ m + σ·N(0, C) (eq. 5); when a generation of λ has ended,
    its best ones move the mean (eq. 9), the step size σ (eq. 44) and the covariance C (eq. 47). Whole numbers and lists
    of ascending numbers are steps on their axes with the margin of Hamano, Saito, Nomura and Shirakawa, «CMA-ES with
    Margin», GECCO 2022. It is the `cmaes` package, on which Optuna's `CmaEsSampler` stands too.

    Choices that are no numbers are drawn at random. A number that does not count in a sample keeps its coordinate,
    which is in the note. It looks at the first objective only. Where fewer than two numbers are to be chosen it is
    random search.

    Args:
        population_size: λ; None: 4 + ⌊3·ln n⌋ for n numbers.
        sigma: the first σ, as a share of each axis.
    """

    def __init__(self, population_size: int | None = None, sigma: float = 1 / 6) -> None:
        if population_size is not None:
            arguments.whole("cma_es", "population_size", population_size, 4)
        self.population_size = population_size
        self.sigma = arguments.number("cma_es", "sigma", sigma, 0, 1, above=True)
        needed("cma_es", "cmaes")
        self._random = RandomSearch()
        self._space: SearchSpace | None = None
        self._axes: dict[str, Axis] = {}
        self._evolution = Folded(self._begin, _end)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        size = space.size()
        if self._space is not space:
            self._space = space
            self._axes = {domain.label: Axis(domain) for domain in space if is_number(domain)}
            self._evolution = Folded(self._begin, _end)
        if len(self._axes) < 2 or (size is not None and history.distinct >= size):
            return self._random.ask(space, history, rng)
        evolution = self._evolution.of(history)
        evolution.optimizer.reseed_rng(rng.getrandbits(31))
        for _ in range(TRIES):
            steps, x = evolution.optimizer.ask()
            values = {label: axis.value(float(at)) for (label, axis), at in zip(self._axes.items(), steps, strict=True)}
            sample = space.complete(values, rng)
            if not history.proposed(sample):
                return Proposal(sample, note={"generation": evolution.generation, "x": [float(at) for at in x]})
        return self._random.ask(space, history, rng)

    def _begin(self) -> Evolution:
        return Evolution(list(self._axes.values()), self.sigma, self.population_size)


class Axis:
    """A choice of numbers as the interval from 0 to 1."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._values = [] if isinstance(domain, Uniform | IntUniform) else list(domain.values())
        size = domain.size()
        # Steps of a logarithmic whole number would differ in length: it is rounded from a continuous one.
        even = size is not None and not (isinstance(domain, IntUniform) and domain.log)
        self.step = 1 / (size - 1) if even and size is not None else 0.0

    def value(self, at: float) -> Any:
        """The value at this place of the interval."""
        domain, at = self._domain, min(max(at, 0.0), 1.0)
        if not isinstance(domain, Uniform | IntUniform):
            return self._values[round(at * (len(self._values) - 1))]
        low, high = domain.low, domain.high
        value = exp(log(low) + (log(high) - log(low)) * at) if domain.log else low + (high - low) * at
        return min(max(round(value) if isinstance(domain, IntUniform) else value, low), high)


class Evolution:
    """The distribution, and the generation that is to shape it.

    Attributes:
        optimizer: the distribution, from which one may draw.
        generation: how many generations have ended.
    """

    def __init__(self, axes: list[Axis], sigma: float, population_size: int | None) -> None:
        self._axes, self._sigma, self._population_size = axes, sigma, population_size
        self.generation = 0
        self._told: list[tuple[Any, float]] = []
        self.optimizer = self._new()

    def take(self, generation: int, x: list[float], loss: float) -> None:
        """One draw's loss; late ones of an earlier generation are left out."""
        import numpy as np

        if generation != self.generation:
            return
        self._told.append((np.array(x), loss))
        if len(self._told) == self.optimizer.population_size:
            self.optimizer.tell(self._told)
            self.generation += 1
            self._told = []
            if self.optimizer.should_stop():
                self.optimizer = self._new()

    def _new(self) -> CMAwM:
        import numpy as np
        from cmaes import CMAwM

        n = len(self._axes)
        return CMAwM(
            mean=np.full(n, 0.5),
            sigma=self._sigma,
            bounds=np.array([[0.0, 1.0]] * n),
            steps=np.array([axis.step for axis in self._axes]),
            population_size=self._population_size,
            seed=0,
        )


def is_number(domain: Domain) -> bool:
    """Whether it is an interval of numbers, or a list of ascending ones."""
    if domain.size() == 1:
        return False
    return isinstance(domain, Uniform | IntUniform) or (domain.size() is not None and ascending(list(domain.values())))


def _end(evolution: Evolution, trial: Trial, history: History) -> None:
    if trial.has_result and "generation" in trial.note:
        evolution.take(trial.note["generation"], trial.note["x"], -history.score(trial))
