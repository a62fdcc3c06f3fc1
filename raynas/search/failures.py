"""Failures that mean the search itself is wrong, rather than one candidate."""

from __future__ import annotations

from collections.abc import Mapping

from raynas.errors import ConfigError, SearchError
from raynas.search.rules import FIRST
from raynas.trial import Cause, Trial, TrialState


def no_objective(name: str, metrics: Mapping[str, float]) -> ConfigError:
    """The error that an evaluator's result does not hold what the search is to judge by."""
    return ConfigError(
        f"the objective '{name}' is not among what the evaluator returned "
        f"({', '.join(metrics) or 'nothing'}): name one of those, or have the evaluator return it"
    )


class FirstFailures:
    """Watches whether the trials that end first all fail with the same exception."""

    def __init__(self) -> None:
        self._armed = True
        self._messages: list[str] = []

    def disarm(self, trial: Trial) -> None:
        """Give up watching where this ended trial shows that not all fail alike."""
        if trial.state is not TrialState.FAILED and trial.state is not TrialState.INFEASIBLE:
            self._armed = False

    def add(self, trial: Trial, workers: int) -> SearchError | None:
        """Note a failed trial; the error to end with, once enough have failed alike.

        Args:
            trial: it has failed in this start of the run.
            workers: how many trials run at once.
        """
        self._messages.append(trial.message)
        if trial.cause is not Cause.EXCEPTION or trial.message != self._messages[0]:
            self._armed = False
        count = len(self._messages)
        if not self._armed or count < max(FIRST, workers):
            return None
        return SearchError(f"the first {count} trials all failed with {trial.message}")
