"""Progress: the metrics of a training's epochs, and what of them is its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from raynas.errors import EvaluationError

Mode = Literal["min", "max"]


class Progress:
    """Keeps the metrics of every epoch that was judged.

    Args:
        monitor: the metric that says which epoch is the best one; None: no epoch is.
        mode: whether the best one has its minimum or its maximum.
        epochs: what an earlier part of the same training left, as `state` wrote it.
    """

    def __init__(self, monitor: str | None, mode: Mode, epochs: Iterable[Mapping[str, Any]] = ()) -> None:
        self.monitor = monitor
        self.mode = mode
        self._epochs = [(int(entry["epoch"]), dict(entry["metrics"])) for entry in epochs]

    def add(self, epoch: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Take in the metrics of `epoch` (from 0); the result so far."""
        if self.monitor is not None and self.monitor not in metrics:
            raise EvaluationError(
                f"the metric '{self.monitor}' to monitor was not logged in epoch {epoch}: there is "
                f"{', '.join(map(repr, metrics)) or 'nothing'}; log it at the epoch's end, or monitor one of these"
            )
        self._epochs.append((epoch, dict(metrics)))
        return self.result()

    def result(self) -> dict[str, float]:
        """The last epoch's metrics under their names; the best epoch's under `best_…`, and `best_epoch` (from 0).

        Of several best epochs it is the first.
        """
        if not self._epochs:
            return {}
        last = self._epochs[-1][1]
        monitor = self.monitor
        if monitor is None:
            return dict(last)
        choose = min if self.mode == "min" else max
        epoch, best = choose(self._epochs, key=lambda entry: entry[1][monitor])
        return {**last, **{f"best_{name}": value for name, value in best.items()}, "best_epoch": float(epoch)}

    def state(self) -> list[dict[str, Any]]:
        """Plain data from which the training's next part can go on."""
        return [{"epoch": epoch, "metrics": metrics} for epoch, metrics in self._epochs]
