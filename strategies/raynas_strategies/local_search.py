"""Local search: walk to a neighbour as long as one is better."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas_strategies.random import RandomSearch

LISTED = 64
"""Of a number with more values than this, or endlessly many, …"""
DRAWN = 8
"""… so many random ones are neighbours."""

STARTS = 64
"""Among so many latest starts a walk looks for its beginning."""

LATEST = 32
"""Among so many latest results it looks for a better neighbour before it tries the next one."""


class LocalSearch(Strategy):
    """Tries the neighbours of a model, moves to a better one, and starts anew where there is none.

    Algorithm 1 of White, Nolen and Savani, «Exploring the Loss Landscape in Neural Architecture Search», UAI 2021
    (in 2020 as «Local Search is State of the Art for Neural Architecture Search Benchmarks»). In the paper's words:
    pick an architecture v₁ at random and evaluate it; while the loss of vᵢ is lower than that of vᵢ₋₁, *evaluate* all
    u in the *neighborhood* N(vᵢ), and let vᵢ₊₁ be the best of them. N(v) holds the samples that differ from v in one
    choice; choices that begin to count by that take values drawn at random, for the same v always the same. At a local
    minimum the search begins again at another random architecture.

    A worker that would have to wait, because the last neighbours are still in training, tries one more start instead:
    with one worker the walk is the paper's, and with many of them nobody idles.

    Args:
        first_better: move to the first neighbour that is found to be better, without trying the others: the paper's
            variant *query until lower*. False: Algorithm 1 to the letter, which in a space of some hundred neighbours
            spends a short search on the first of its steps, and then does worse than random search.
    """

    def __init__(self, first_better: bool = True) -> None:
        self.first_better = first_better
        self._random = RandomSearch()

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        latest = history.latest
        note = latest.note if latest is not None else {}
        at = history[note["center"]] if "center" in note else _beginning(history)
        place = note.get("place", 0)
        while at is not None:
            around = Neighborhood(space, at.sample)
            while place < len(around):
                if self.first_better and (better := _lately(history, at)) is not None:
                    break
                sample = around[place]
                place += 1
                tried = history.find(sample)
                if tried is None:
                    return Proposal(sample, note={"center": at.number, "place": place})
                if self.first_better and (better := _better([tried], history, at)) is not None:
                    break
            else:
                if any(not trial.state.ended for trial in around.trials(history)):
                    return self._start(space, history, rng, {"center": at.number, "place": place})
                better = _better(around.trials(history), history, at)
            at, place = better, 0
        walk = note.get("walk", 0 if latest is None else latest.number + 1)
        return self._start(space, history, rng, {"walk": walk})

    def _start(self, space: SearchSpace, history: History, rng: Random, note: dict[str, int]) -> Proposal | None:
        sample = self._random.ask(space, history, rng)
        return None if sample is None else Proposal(sample, note=note)


class Neighborhood:
    """N(v), in an order drawn from v itself: what differs from `sample` in one choice."""

    def __init__(self, space: SearchSpace, sample: Sample) -> None:
        self._space, self._sample = space, sample
        self._text = sample.to_json()
        rng = Random(self._text)
        self._changes: list[tuple[str, Any]] = []
        for domain in space:
            size = domain.size()
            if domain.label not in sample or size == 1:
                continue
            own = sample[domain.label]
            listed = size is not None and size <= LISTED
            values = domain.values() if listed else (domain.other(own, rng) for _ in range(DRAWN))
            self._changes.extend((domain.label, value) for value in values)
        rng.shuffle(self._changes)

    def __len__(self) -> int:
        return len(self._changes)

    def __getitem__(self, place: int) -> Sample:
        label, value = self._changes[place]
        return self._space.complete({**self._sample, label: value}, Random(f"{self._text}/{place}"))

    def trials(self, history: History) -> list[Trial]:
        """What became of the neighbours that were tried."""
        found = [history.find(self[place]) for place in range(len(self))]
        return [trial for trial in found if trial is not None]


def _better(trials: Sequence[Trial], history: History, at: Trial) -> Trial | None:
    """The best of the trials, if it is better than `at`."""
    best = max((trial for trial in trials if trial.has_result), key=history.score, default=None)
    return best if best is not None and history.score(best) > history.score(at) else None


def _lately(history: History, at: Trial) -> Trial | None:
    """The best of the neighbours of `at` that have just ended, if it is better."""
    return _better(
        [trial for trial in history.completed[-LATEST:] if trial.note.get("center") == at.number], history, at
    )


def _beginning(history: History) -> Trial | None:
    """The best start of the walk that is to begin; in the beginning, the best of all there is."""
    latest = history.latest
    if latest is None or "walk" not in latest.note:
        return history.best
    first = max(latest.note["walk"], latest.number - STARTS)
    starts = [history[number] for number in range(first, latest.number + 1)]
    return max((trial for trial in starts if trial.has_result), key=history.score, default=None)
