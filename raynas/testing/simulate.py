"""A search without models, engine or waiting: a strategy, a function to optimise, and as many workers as one likes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from random import Random

from raynas.search_space import Sample, SearchSpace
from raynas.strategy import Proposal, Strategy, consult, generator
from raynas.trial import (
    Answered,
    Cause,
    Event,
    Failed,
    Finished,
    History,
    Ledger,
    Proposed,
    Rejected,
    Started,
    Trial,
    TrialKey,
    Waits,
    advance,
    begin,
)
from raynas.trial.history import Direction

Objective = Callable[[Trial], float | Mapping[str, float] | None]

FREE = 1000
"""How many proposals in a row may cost no training before the search ends."""


def simulate(
    strategy: Strategy,
    space: SearchSpace,
    objective: Objective,
    trials: int,
    workers: int = 1,
    seed: int = 0,
    *,
    objectives: Mapping[str, Direction] | None = None,
    fingerprint: Callable[[Sample], str] = Sample.to_json,
) -> History:
    """Search as raynas does, with virtual time instead of training.

    With several workers, trials take times of their own and end out of order. The search ends after `trials`
    trainings, when the strategy has nothing to propose and nothing runs, or after 1,000 proposals in a row that
    needed no training, if the strategy does not end by itself.

    Args:
        strategy: what is asked.
        space: what it is asked about.
        objective: takes a trial (`trial.sample`, `trial.budget`, …) and returns its metrics, or the one metric
            "score"; None: the candidate is infeasible; an exception: the trial fails.
        trials: how many trainings there may be.
        workers: how many of them at once.
        seed: seeds the strategy's random numbers and the times.
        objectives: the metrics to judge by; "score", to be large, by default.
        fingerprint: samples with equal fingerprints are the same candidate, and only one of them is trained.

    Returns:
        The history at the end.

    Raises:
        PluginError: the strategy broke its contract.
    """
    return _Simulation(strategy, space, objective, workers, seed, objectives or {"score": "max"}, fingerprint).run(
        trials
    )


class _Simulation:
    def __init__(
        self,
        strategy: Strategy,
        space: SearchSpace,
        objective: Objective,
        workers: int,
        seed: int,
        objectives: Mapping[str, Direction],
        fingerprint: Callable[[Sample], str],
    ) -> None:
        self.strategy = strategy
        self.space = space
        self.objective = objective
        self.workers = workers
        self.seed = seed
        self.fingerprint = fingerprint
        self.ledger = Ledger(objectives)
        self.now = 0.0
        self.running: list[tuple[float, int, Event]] = []  # a heap: when each ends, and how
        self.trained: dict[TrialKey, int] = {}
        self.waiting: dict[int, list[int]] = {}

    def run(self, trials: int) -> History:
        begun = free = 0
        limit = math.inf if self.strategy.ends_by_itself else FREE
        while True:
            while len(self.running) < self.workers and begun < trials and free < limit:
                number = len(self.ledger)
                rng = generator(self.seed, number)
                proposal = consult(self.strategy, self.space, self.ledger.freeze(), rng)
                if proposal is None:
                    break
                costs = self.propose(number, proposal)
                begun, free = (begun + 1, 0) if costs else (begun, free + 1)
            if not self.running:
                return self.ledger.freeze()
            self.now, number, end = heapq.heappop(self.running)
            self.take(end)
            for waiting in self.waiting.pop(number, ()):
                self.take(Answered(waiting, self.now, self.ledger[number]))

    def propose(self, number: int, proposal: Proposal) -> bool:
        """Give the proposal its number and, if it needs training, a worker; returns whether it does."""
        sample = proposal.sample
        parent = proposal.warm_start
        if parent is not None and (trained := self.ledger[parent].twin) is not None:
            parent = trained
        key = TrialKey(self.fingerprint(sample), budget=proposal.budget, warm_start=parent)
        self.ledger.put(begin(Proposed(number, self.now, sample, key, proposal.note)))
        twin = self.trained.setdefault(key, number)
        if twin != number:
            if self.ledger[twin].state.ended:
                self.take(Answered(number, self.now, self.ledger[twin]))
            else:
                self.take(Waits(number, self.now, twin))
                self.waiting.setdefault(twin, []).append(number)
            return False
        seconds = Random(f"{self.seed}/{number}/seconds").lognormvariate(0, 1)
        then = self.now + seconds
        end: Event
        try:
            value = self.objective(self.ledger[number])
        except Exception as error:
            end = Failed(number, then, 1, Cause.EXCEPTION, f"{type(error).__name__}: {error}", seconds=seconds)
        else:
            if value is None:
                self.take(Rejected(number, self.now, "the objective gave None"))
                return False
            metrics = value if isinstance(value, Mapping) else {"score": float(value)}
            end = Finished(number, then, 1, metrics, seconds)
        self.take(Started(number, self.now, 1))
        heapq.heappush(self.running, (then, number, end))
        return True

    def take(self, event: Event) -> None:
        self.ledger.put(advance(self.ledger[event.trial], event, order=self.ledger.ended))
