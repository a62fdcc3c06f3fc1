"""Plateau: end what has stopped getting better."""

from __future__ import annotations

from raynas import History, Stopper, Trial
from raynas_strategies import arguments
from raynas_strategies.median import course


class PlateauStopper(Stopper):
    """Stops a trial whose last `patience` reports brought nothing better than there was before them.

    Early stopping by the criterion UP of Prechelt, «Early Stopping — But When?», in «Neural Networks: Tricks of the
    Trade», 1998, counted in reports. It looks at the first objective; a trial that does not report it is never stopped.

    Args:
        patience: how many reports may pass without progress.
        min_delta: by how much a value must be better to count as progress.
        min_steps: how many reports a trial may always make.
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0, min_steps: int = 0) -> None:
        self.patience = arguments.whole("the plateau stopper", "patience", patience)
        self.min_delta = arguments.number("the plateau stopper", "min_delta", min_delta)
        self.min_steps = arguments.whole("the plateau stopper", "min_steps", min_steps, 0)

    def should_stop(self, trial: Trial, history: History) -> bool:
        values = course(trial, history)
        if len(values) <= max(self.patience, self.min_steps):
            return False
        return max(values[-self.patience :]) <= max(values[: -self.patience]) + self.min_delta
