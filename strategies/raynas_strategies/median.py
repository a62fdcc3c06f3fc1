"""Median stopping: end what does worse than the average course of half of the others."""

from __future__ import annotations

from bisect import insort

from raynas import History, Stopper, Trial
from raynas_strategies import arguments
from raynas_strategies.folded import Folded

Averages = dict[int, list[float]]
"""For each step, the running averages that the completed trials had there, sorted."""


class MedianStopper(Stopper):
    """Stops a trial whose best value so far is worse than the median of the others' averages up to that step.

    The *median stopping rule* of Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, «Google Vizier: A Service for
    Black-Box Optimization», KDD 2017, section 3.2.2: «stop a pending trial at step s if its best objective value by
    step s is strictly worse than the median value of the running averages of all completed trials' objectives reported
    up to step s». Only trials that reported the first objective count, and a trial that does not is never stopped.

    Args:
        min_trials: how many completed trials must have reported that step before any trial is stopped.
        min_steps: how many reports a trial may always make.
    """

    def __init__(self, min_trials: int = 5, min_steps: int = 1) -> None:
        self.min_trials = arguments.whole("the median stopper", "min_trials", min_trials)
        self.min_steps = arguments.whole("the median stopper", "min_steps", min_steps, 0)
        self._averages: Folded[Averages] = Folded(dict, _end)

    def should_stop(self, trial: Trial, history: History) -> bool:
        values = course(trial, history)
        if not values or len(values) <= self.min_steps:
            return False
        others = self._averages.of(history).get(trial.reports[-1].step, [])
        if len(others) < self.min_trials:
            return False
        middle = len(others) // 2
        median = others[middle] if len(others) % 2 else (others[middle - 1] + others[middle]) / 2
        return max(values) < median


def course(trial: Trial, history: History) -> list[float]:
    """What the trial reported of the first objective, signed so that more is better; empty where it left it out."""
    metric, direction = next(iter(history.objectives.items()))
    if any(metric not in report.metrics for report in trial.reports):
        return []
    return [report.metrics[metric] if direction == "max" else -report.metrics[metric] for report in trial.reports]


def _end(averages: Averages, trial: Trial, history: History) -> None:
    if not trial.trained:
        return
    total = 0.0
    for place, value in enumerate(course(trial, history), start=1):
        total += value
        insort(averages.setdefault(trial.reports[place - 1].step, []), total / place)
