"""Which weights stay: those of the best trials and of the strategy's parents."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable

from raynas.search.rules import Rules
from raynas.trial import Trial
from raynas.trial.history import scores


class Kept:
    """The weights that lie in the artifacts, and which of them are there for being among the best.

    Args:
        rules: how many best ones stay, and what «best» means.
        trials: those of a resumed run, in the order in which they ended.
        present: the weights that are really there; None: all that the trials name.
    """

    def __init__(self, rules: Rules, trials: Iterable[Trial] = (), present: Collection[str] | None = None) -> None:
        self._rules = rules
        self._paths: dict[int, tuple[str, int]] = {}
        self._top: list[tuple[float, int, int]] = []
        for trial in trials:
            if trial.weights and trial.trained and (present is None or trial.weights in present):
                self.take(trial)

    def take(self, trial: Trial) -> list[tuple[int, str | None]]:
        """Note an ended trial; returns the trials whose leavings are not needed any more, with their weights."""
        if trial.weights is None or not trial.has_result:
            return [(trial.number, trial.weights)]
        self._paths[trial.number] = trial.weights, trial.order or 0
        insort(self._top, (-scores(trial.metrics, self._rules.objectives)[0], trial.order or 0, trial.number))
        out = self._top[self._rules.keep :]
        del self._top[self._rules.keep :]
        return [] if self._rules.keeps_parents else [(number, self._paths.pop(number)[0]) for _, _, number in out]

    def without(self, parents: Collection[int], seen: int) -> list[tuple[int, str]]:
        """Those whose weights nobody needs: no parents, as a history of `seen` ended trials named them, nor best."""
        needed = {*parents, *(number for _, _, number in self._top)}
        gone = [number for number, (_, order) in self._paths.items() if order < seen and number not in needed]
        return [(number, self._paths.pop(number)[0]) for number in gone]

    def path(self, number: int) -> str | None:
        """Where the trial's weights lie; None where they are gone."""
        return self._paths[number][0] if number in self._paths else None

    def numbers(self) -> frozenset[int]:
        """All trials whose weights stay."""
        return frozenset(self._paths)

    def paths(self) -> frozenset[str]:
        """All weights that stay."""
        return frozenset(path for path, _ in self._paths.values())

    @property
    def wanted(self) -> bool:
        """Whether any result leaves its weights."""
        return self._rules.keep > 0 or self._rules.keeps_parents

    def threshold(self) -> float | None:
        """The value of the first objective that a result must beat to be among the best; None: any will be."""
        if self._rules.keeps_parents or len(self._top) < self._rules.keep:
            return None
        worst = -self._top[-1][0]
        return worst if self._rules.objectives[self._rules.metric] == "max" else -worst
