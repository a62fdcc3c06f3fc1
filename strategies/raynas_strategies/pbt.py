"""Population based training: train a population side by side, and let the bad copy the good."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from raynas import ConfigError, History, Notice, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded
from raynas_strategies.random import RandomSearch


@dataclass
class Population:
    """How far each member has come.

    Attributes:
        steps: for each generation, the trials that have a result, by member.
        done: how many generations each member has behind it.
        lost: members whose training failed after the first generation.
    """

    steps: dict[int, dict[int, Trial]] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)


class Pbt(Strategy):
    """Trains a population step by step; after each, a bad member goes on from a good one's weights, a little changed.

    Jaderberg et al., «Population Based Training of Neural Networks», 2017, Algorithm 1. In the paper's words: each
    member of the population is trained for a *step* (here `interval` epochs) and evaluated; when it is *ready*, it
    *exploits*: by *truncation selection*, a member in the bottom 20 % of the population copies the weights and the
    hyperparameters of one drawn from the top 20 %; and where it has copied, it *explores*: each hyperparameter is
    changed, or not, with even chances. Members do not wait for each other.

    Weights fit one architecture only, so a member that copies takes over all choices of the other, and explores those
    of the evaluator that are named as `explore`.

    Args:
        explore: labels of the choices that may change during a training: the evaluator's, such as the learning rate.
            None: nothing is explored, and only weights are passed on.
        population_size: how many members; None: 10.
        interval: the length of a step, in the evaluator's unit (epochs, usually).
        generations: how many steps each member is trained.
        fraction: the share of the population that copies, and that is copied.
    """

    def __init__(
        self,
        explore: Sequence[str] | None = None,
        population_size: int | None = None,
        interval: float = 1,
        generations: int = 10,
        fraction: float = 0.2,
    ) -> None:
        if isinstance(explore, str):
            raise ConfigError(f"pbt got explore={explore!r}: give it a list of labels")
        self.explore = None if explore is None else list(explore)
        self._size = 10 if population_size is None else arguments.whole("pbt", "population_size", population_size, 2)
        self.population_size = population_size
        self.interval = arguments.number("pbt", "interval", interval, above=True)
        self.generations = arguments.whole("pbt", "generations", generations)
        self.fraction = arguments.number("pbt", "fraction", fraction, 0, 0.5)
        self._random = RandomSearch()
        self._population: Folded[Population] = Folded(Population, _end)

    def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
        labels = [domain.label for domain in space]
        if not self.explore and len(labels):
            text = "pbt explores nothing, so a member that copies is its source's twin: name choices in explore=[…]"
            warnings.warn(text, Notice, stacklevel=2)
        strange = next((label for label in self.explore or () if label not in labels), None)
        if strange is not None:
            raise ConfigError(f"pbt cannot explore '{strange}': the space has {', '.join(labels) or 'no choices'}")
        if self.population_size is not None:
            arguments.fits("pbt", "population_size", self.population_size, max_trials)

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        population = self._population.of(history)
        busy = {trial.note.get("member") for trial in history.open}
        ready = [member for member in self._members(population) if member not in busy]
        for member in sorted(ready, key=lambda member: population.done.get(member, 0)):
            generation = population.done.get(member, 0)
            note = {"member": member, "generation": generation}
            if generation == 0:
                first = self._random.ask(space, history, rng)
                if first is not None:
                    return Proposal(first, self.interval, note=note)
            elif generation < self.generations:
                step = population.steps[generation - 1]
                own = step[member]
                source = self._exploit(own, step, history, rng)
                sample = own.sample if source is own else self._explored(source.sample, space, rng)
                return Proposal(sample, (generation + 1) * self.interval, source.number, note)
        return None

    def parents(self, history: History) -> Collection[int]:
        population = self._population.of(history)
        # A member that is behind compares itself with what the others were when they stood where it stands.
        slowest = min(
            (population.done.get(member, 0) for member in self._members(population)), default=self.generations
        )
        steps = [trials for generation, trials in population.steps.items() if generation >= slowest - 1]
        return {trial.number for trials in steps for trial in trials.values()}

    def _members(self, population: Population) -> list[int]:
        return [member for member in range(self._size) if member not in population.lost]

    def _exploit(self, own: Trial, step: Mapping[int, Trial], history: History, rng: Random) -> Trial:
        """The trial to go on from: the member's own or, where that is among the worst, one of the best."""
        order = sorted(step.values(), key=lambda trial: (history.score(trial), trial.number))
        share = int(len(order) * self.fraction)
        if own not in order[:share]:
            return own
        return order[-1 - rng.randrange(share)]

    def _explored(self, sample: Sample, space: SearchSpace, rng: Random) -> Sample:
        changed = dict(sample)
        for label in self.explore or ():
            if label in sample and space[label].size() != 1 and rng.random() < 0.5:
                changed[label] = space[label].other(sample[label], rng)
        return space.complete(changed, rng)


def _end(population: Population, trial: Trial, history: History) -> None:
    if "member" not in trial.note:
        return
    member, generation = trial.note["member"], trial.note["generation"]
    if trial.has_result:
        population.steps.setdefault(generation, {})[member] = trial
        population.done[member] = generation + 1
    elif generation:
        population.lost.add(member)
