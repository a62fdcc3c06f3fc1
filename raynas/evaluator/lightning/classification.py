"""Classification: trains a candidate to tell classes apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from raynas.evaluator.evaluator import Context, Evaluator
from raynas.evaluator.lightning.checks import recipe_of
from raynas.evaluator.lightning.measures import accuracy, one_logit
from raynas.evaluator.lightning.recipe import Task
from raynas.evaluator.lightning.source import Source
from raynas.evaluator.lightning.training import Plan, train_supervised
from raynas.serializer import serialize_cls

if TYPE_CHECKING:
    from raynas.evaluator.lightning.trainer import Trainer

TASK = Task(one_logit, accuracy)


@serialize_cls
class Classification(Evaluator):
    """Trains with a loss on scores of shape (N, C), and measures the share of right predictions.

    Its metrics are `val_accuracy`, `val_loss` and `train_loss`, of the last epoch under these names and of the best one
    (by `val_accuracy`; the first of several) as `best_val_accuracy`, …, with its number, from 0, as `best_epoch`. Each
    epoch is reported. A trial's budget counts epochs, those of the trial that it starts from included.

    Any argument may be a choice.

    Args:
        train_dataloaders: a `DataLoader`, a dataset of (input, class), or a tuple (inputs, classes) of arrays.
        val_dataloaders: the same, to judge by.
        data: instead of both, a function that returns a pair of them; it is called once per process.
        criterion: a loss, or the class of one, of (output, class).
        learning_rate: the optimizer's `lr`.
        weight_decay: the optimizer's.
        optimizer: the class of an optimizer, or its name in `torch.optim`.
        optimizer_arguments: further arguments of the optimizer.
        scheduler: "cosine" or "one_cycle", which run over `max_epochs` whatever the budget; or a function of the
            optimizer that returns a scheduler, stepped once an epoch.
        batch_size: rows in a batch, where the data is not a loader.
        max_epochs: how long to train; with a budget, at most. Default: the trainer's, or 10.
        trainer: arguments of Lightning's Trainer, as a mapping or as `raynas.evaluator.lightning.Trainer`.
        verbose: whether Lightning may talk.
    """

    def __init__(
        self,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *,
        data: Callable[[], tuple[Any, Any]] | None = None,
        criterion: type[nn.Module] | nn.Module | Callable[..., torch.Tensor] = nn.CrossEntropyLoss,
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
        self._plan = Plan.of(max_epochs, trainer, "val_accuracy", "max", verbose)
        self._recipe = recipe_of(
            criterion, optimizer, learning_rate, weight_decay, optimizer_arguments, scheduler, self._plan.max_epochs
        )

    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        return train_supervised(self._plan, self._recipe, TASK, self._source, model, context)

    def example_inputs(self) -> tuple[Any, ...] | None:
        return self._source.example_inputs()

    def metric_names(self) -> Sequence[str] | None:
        return self._plan.metric_names("val_accuracy", "val_loss", "train_loss")

    def epochs(self) -> int:
        return self._plan.max_epochs
