"""Simulated annealing: a strategy in a package of its own."""

from __future__ import annotations

from math import exp
from random import Random

from raynas import ConfigError, History, Proposal, SearchSpace, Strategy


class Annealing(Strategy):
    """Steps from model to model, upwards always and downwards the less often the longer it goes on.

    Kirkpatrick, Gelatt and Vecchi, «Optimization by Simulated Annealing», Science 1983. Each proposal is a neighbour of
    the *current* model. A neighbour that turns out better becomes the current one; one that is worse by Δ does so with
    probability exp(−Δ/T). The *temperature* T falls by a constant factor with every trial;
    after some of them it is heated again, and begins at another random model.

    Args:
        temperature: T at the beginning, in units of the objective.
        cooling: the factor by which T falls with each trial.
        steps: after how many trials it begins anew.
    """

    def __init__(self, temperature: float = 1.0, cooling: float = 0.97, steps: int = 100) -> None:
        if not temperature > 0 or not 0 < cooling < 1 or steps < 1:
            raise ConfigError("annealing needs a temperature above 0, a cooling between 0 and 1, and steps")
        self.temperature = temperature
        self.cooling = cooling
        self.steps = steps

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        size = space.size()
        if size is not None and history.distinct >= size:
            return None  # everything has been tried
        current = self._current(history, rng)
        sample = space.random(rng) if current is None else history[current].sample
        while history.proposed(sample):
            sample = space.mutate(sample, rng) or space.random(rng)
        return Proposal(sample, note={} if current is None else {"current": current})

    def _current(self, history: History, rng: Random) -> int | None:
        """The number of the current model: the last one accepted, or what has ended since, if it is accepted now."""
        step = len(history.completed) % self.steps
        if step == 0:
            return None
        newest = history.completed[-1]
        latest = history.latest.note.get("current") if history.latest is not None else None
        if latest is None:
            return newest.number
        loss = history.score(history[latest]) - history.score(newest)
        temperature = self.temperature * self.cooling**step
        accepted = loss <= 0 or (temperature > 0 and rng.random() < exp(-loss / temperature))
        return newest.number if accepted else latest
