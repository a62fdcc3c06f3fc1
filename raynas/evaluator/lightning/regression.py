"""Regression: trains a candidate to predict numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from raynas.evaluator.evaluator import Context, Evaluator
from raynas.evaluator.lightning.checks import recipe_of
from raynas.evaluator.lightning.measures import alike, errors
from raynas.evaluator.lightning.recipe import Task
from raynas.evaluator.lightning.source import Source
from raynas.evaluator.lightning.training import Plan, train_supervised
from raynas.serializer import serialize_cls

if TYPE_CHECKING:
    from raynas.evaluator.lightning.trainer import Trainer

TASK = Task(alike, errors)


@serialize_cls
class Regression(Evaluator):
    """Trains with a loss on numbers, and measures squared and absolute errors.

    Its metrics are `val_loss`, `val_mse`, `val_mae` and `train_loss`, of the last epoch under these names and of the
    best one (by `val_loss`; the first of several) as `best_val_loss`, …, with its number, from 0, as `best_epoch`. Each
    epoch is reported. A trial's budget counts epochs, those of the trial that it starts from included.

    Output and target may differ in shape by a last dimension of 1. Any argument may be a choice; they are those of
    `Classification`.
    """

    def __init__(
        self,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *,
        data: Callable[[], tuple[Any, Any]] | None = None,
        criterion: type[nn.Module] | nn.Module | Callable[..., torch.Tensor] = nn.MSELoss,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        optimizer: type[torch.optim.Optimizer] | str = torch.optim.Adam,
        optimizer_arguments: Mapping[str, Any] | None = None,
        scheduler: Callable[[torch.optim.Optimizer], Any] | str | None = None,
        batch_size: int = 32,
        max_epochs: int | None = None,
        trainer: Trainer | Mapping[str, Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self._source = Source.of(train_dataloaders, val_dataloaders, data, batch_size)
        self._plan = Plan.of(max_epochs, trainer, "val_loss", "min", verbose)
        self._recipe = recipe_of(
            criterion, optimizer, learning_rate, weight_decay, optimizer_arguments, scheduler, self._plan.max_epochs
        )

    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        return train_supervised(self._plan, self._recipe, TASK, self._source, model, context)

    def example_inputs(self) -> tuple[Any, ...] | None:
        return self._source.example_inputs()

    def metric_names(self) -> Sequence[str] | None:
        return self._plan.metric_names("val_loss", "val_mse", "val_mae", "train_loss")

    def epochs(self) -> int:
        return self._plan.max_epochs
