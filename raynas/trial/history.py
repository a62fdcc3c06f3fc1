"""History: what a strategy may know, frozen at one moment; Ledger: the one place that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Literal, TypeVar, overload

from raynas.errors import ConfigError, TransitionError
from raynas.search_space import Sample
from raynas.trial.leaders import Leaders
from raynas.trial.pareto import non_dominated
from raynas.trial.trial import Trial

Direction = Literal["max", "min"]
T = TypeVar("T")


class Prefix(Sequence[T]):
    """The first `length` items of a list that only ever grows: a frozen view without a copy."""

    __slots__ = ("_items", "_length")

    def __init__(self, items: list[T], length: int | None = None) -> None:
        self._items = items
        self._length = len(items) if length is None else length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T]:
        for position in range(self._length):
            yield self._items[position]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._items[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return self._items[index % self._length]


class History:
    """All proposals so far, at one moment; it never changes.

    Attributes:
        objectives: name of each metric to judge by, and whether it should be large ("max") or small ("min").
        ended: the trials that have ended, in the order in which they did.
        completed: those of them that have a result (trained, stopped or answered by a twin), in that order.
        open: the trials that are queued, waiting or running, by number.
        latest: the trial with the highest number; None where there is no trial.
        distinct: how many different samples have been proposed.

    >>> History.of([], {"val_accuracy": "max"}).best is None
    True
    """

    def __init__(
        self,
        objectives: Mapping[str, Direction],
        ended: Sequence[Trial],
        completed: Sequence[Trial],
        open: Sequence[Trial],
        best: Trial | None,
        latest: Trial | None,
        places: Mapping[int, int],
        firsts: Mapping[Sample, int],
        numbers: Sequence[int],
        leaders: Leaders,
        known: int | None = None,
        fresh: Mapping[Sample, int] | None = None,
    ) -> None:
        self.objectives = objectives
        self.ended = ended
        self.completed = completed
        self.open = open
        self.latest = latest
        self._fresh = fresh or {}
        self._known = len(firsts) if known is None else known
        self.distinct = self._known + len(self._fresh)
        self._best = best
        self._places = places
        self._firsts = firsts
        self._numbers = numbers
        self._leaders = leaders

    @classmethod
    def of(cls, trials: Sequence[Trial], objectives: Mapping[str, Direction]) -> History:
        """The history that consists of these trials; ended ones need their `order`."""
        ledger = Ledger(objectives)
        for trial in sorted(trials, key=lambda t: (t.order is None, t.order if t.order is not None else t.number)):
            ledger.put(trial)
        return ledger.freeze()

    def __len__(self) -> int:
        return len(self.ended) + len(self.open)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __repr__(self) -> str:
        best = f", best {self.best.number} ({dict(self.best.metrics)})" if self.best is not None else ""
        return f"<History: {len(self.ended)} ended, {len(self.open)} open{best}>"

    def __getitem__(self, number: int) -> Trial:
        """The trial with this number; `KeyError` where there is none."""
        place = self._places.get(number)
        if place is not None and place < len(self.ended):
            return self.ended[place]
        for trial in self.open:
            if trial.number == number:
                return trial
        raise KeyError(number)

    def proposed(self, sample: Sample) -> bool:
        """Whether some trial, in whatever state, has this sample; in constant time."""
        # The mapping belongs to the ledger and grows on; what came later than this history has a higher place.
        return self._firsts.get(sample, self._known) < self._known or sample in self._fresh

    def find(self, sample: Sample) -> Trial | None:
        """The first trial with this sample, in whatever state; None where it has not been proposed."""
        place = self._firsts.get(sample, self._known)
        number = self._numbers[place] if place < self._known else self._fresh.get(sample)
        return None if number is None else self[number]

    def proposing(self, trial: Trial) -> History:
        """This history and one more open trial, the latest, that the ledger has not taken yet."""
        new = {} if self.proposed(trial.sample) else {trial.sample: trial.number}
        return History(
            self.objectives,
            self.ended,
            self.completed,
            (*self.open, trial),
            self._best,
            trial,
            self._places,
            self._firsts,
            self._numbers,
            self._leaders,
            self._known,
            {**self._fresh, **new},
        )

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """All trials by number."""
        return tuple(sorted([*self.ended, *self.open], key=lambda trial: trial.number))

    @property
    def best(self) -> Trial | None:
        """The completed trial with the highest `score`; of equals, the one that ended first."""
        return self._best

    def top(self, k: int) -> list[Trial]:
        """The k best trained trials (no twins), best first."""
        return self._leaders.first(k, len(self.completed))

    def pareto(self) -> list[Trial]:
        """The trained trials that no other one dominates on all objectives, in the order in which they ended."""
        trained = [trial for trial in self.completed if trial.trained]
        return [trained[place] for place in non_dominated([self.scores(trial) for trial in trained])]

    def score(self, trial: Trial) -> float:
        """The trial's value on the first objective, signed so that more is better."""
        return self.scores(trial)[0]

    def scores(self, trial: Trial) -> tuple[float, ...]:
        """The trial's value on each objective, signed so that more is better."""
        return scores(trial.metrics, self.objectives)


def scores(metrics: Mapping[str, float], objectives: Mapping[str, Direction]) -> tuple[float, ...]:
    """Metrics as values of which more is better, one for each objective."""
    try:
        return tuple(metrics[name] if direction == "max" else -metrics[name] for name, direction in objectives.items())
    except KeyError as missing:
        raise ConfigError(
            f"the evaluator returned no metric {missing}: it returned {', '.join(metrics) or 'nothing'}"
        ) from None


def _cost(objectives: Mapping[str, Direction], trial: Trial) -> float:
    return -scores(trial.metrics, objectives)[0]


class Ledger:
    """The history's one owner: takes trials as they change, and freezes what it knows in constant time."""

    def __init__(self, objectives: Mapping[str, Direction]) -> None:
        self.objectives = dict(objectives)
        self._ended: list[Trial] = []
        self._completed: list[Trial] = []
        self._leaders = Leaders(self._completed, partial(_cost, self.objectives))
        self._open: dict[int, Trial] = {}
        self._ordered = True
        self._places: dict[int, int] = {}
        self._firsts: dict[Sample, int] = {}
        self._numbers: list[int] = []
        self._latest = -1
        self._best: Trial | None = None
        self._best_score = 0.0

    def put(self, trial: Trial) -> None:
        """Take a trial in its new state; `TransitionError` where it had ended before."""
        if trial.number in self._places:
            raise TransitionError(f"trial {trial.number} has ended before and cannot be {trial.state} now")
        # First what may fail, so that a refused trial leaves no trace.
        score = scores(trial.metrics, self.objectives)[0] if trial.has_result else None
        place = self._firsts.setdefault(trial.sample, len(self._firsts))
        if place == len(self._numbers):
            self._numbers.append(trial.number)
        self._latest = max(self._latest, trial.number)
        if not trial.state.ended:
            self._ordered = self._ordered and (trial.number in self._open or trial.number == self._latest)
            self._open[trial.number] = trial
            return
        self._open.pop(trial.number, None)
        self._places[trial.number] = len(self._ended)
        self._ended.append(trial)
        if score is not None:
            self._completed.append(trial)
            if self._best is None or score > self._best_score:
                self._best, self._best_score = trial, score

    def __getitem__(self, number: int) -> Trial:
        return self._open[number] if number in self._open else self._ended[self._places[number]]

    def __len__(self) -> int:
        return len(self._ended) + len(self._open)

    @property
    def ended(self) -> int:
        """How many trials have ended: the `order` of the next one to end."""
        return len(self._ended)

    def freeze(self) -> History:
        if not self._ordered:  # as after a resume
            self._open = dict(sorted(self._open.items()))
            self._ordered = True
        return History(
            self.objectives,
            Prefix(self._ended),
            Prefix(self._completed),
            tuple(self._open.values()),
            self._best,
            self[self._latest] if len(self) else None,
            self._places,
            self._firsts,
            self._numbers,
            self._leaders,
        )
