"""Supervised: the LightningModule that trains a candidate on inputs and targets."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from raynas.evaluator.lightning.batches import inputs_and_target
from raynas.evaluator.lightning.recipe import SCHEDULES, Recipe, Task


class Sums:
    """Sums that grow on the device and are read once."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, total: Tensor, count: int) -> None:
        if name in self._totals:
            self._totals[name] = self._totals[name] + total
            self._counts[name] += count
        else:
            self._totals[name], self._counts[name] = total, count

    def means(self, reduce: Callable[[Tensor], Tensor]) -> dict[str, float]:
        """Mean by name, over all that `reduce` adds up; and begin anew."""
        names = list(self._totals)
        if not names:
            return {}
        totals = torch.stack([self._totals[name].double() for name in names])
        counts = torch.tensor([self._counts[name] for name in names], dtype=torch.float64, device=totals.device)
        both = reduce(torch.stack([totals, counts]))
        self.__init__()  # type: ignore[misc]  # as new
        return dict(zip(names, (both[0] / both[1]).tolist(), strict=True))


class Supervised:
    """Trains `model`, as a LightningModule, of which it has the methods.

    Once per epoch it logs `train_loss`, `val_loss` and the task's metrics as `val_…`.

    Nothing is logged per step: on small networks that would take longer than the training. `measured` holds what was
    logged last, in full precision (Lightning keeps 32 bits).

    Args:
        model: the candidate; it is called with a batch's inputs.
        recipe: loss, optimizer and schedule.
        task: what to judge by, beside the loss.
    """

    trainer: Any
    log_dict: Any
    parameters: Any

    def __init__(self, model: nn.Module, recipe: Recipe, task: Task) -> None:
        super().__init__()
        self.model = model
        self.criterion = recipe.loss()
        self.recipe = recipe
        self.task = task
        self.measured: dict[str, float] = {}
        self._train = Sums()
        self._val = Sums()
        self._fresh: list[dict[str, Any]] = []

    def forward(self, *inputs: Any) -> Any:
        return self.model(*inputs)

    def _loss(self, batch: Any, sums: Sums) -> tuple[Tensor, Tensor, Any]:
        inputs, target = inputs_and_target(batch)
        output, target = self.task.align(self.model(*inputs), target)
        loss = self.criterion(output, target)
        if loss.ndim:
            loss = loss.mean()
        size = len(target)
        sums.add("loss", loss.detach() * size, size)
        return loss, output, target

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self._loss(batch, self._train)[0]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        _, output, target = self._loss(batch, self._val)
        for name, (total, count) in self.task.measure(output, target).items():
            self._val.add(name, total, count)

    def _log(self, sums: Sums, prefix: str) -> None:
        means = sums.means(lambda both: self.trainer.strategy.reduce(both, reduce_op="sum"))
        named = {f"{prefix}_{name}": value for name, value in means.items()}
        self.measured.update(named)
        self.log_dict(named, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        self._log(self._train, "train")

    def on_validation_epoch_end(self) -> None:
        self._log(self._val, "val")

    def configure_optimizers(self) -> Any:
        optimizer = self.recipe.optimizer([p for p in self.parameters() if p.requires_grad])
        self._fresh = [
            {key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups
        ]
        scheduler = self.recipe.scheduler
        if scheduler is None:
            return optimizer
        if not isinstance(scheduler, str):
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler(optimizer), "interval": "epoch"}}
        schedule, steps, interval = SCHEDULES[scheduler], self.recipe.horizon, "epoch"
        if math.isfinite(self.trainer.estimated_stepping_batches):  # asking for it sets the data up
            steps *= math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
            interval = "step"
        by_step = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(min(step / steps, 1.0)))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": by_step, "interval": interval}}

    def on_train_start(self) -> None:
        # What a warm start brought along are the parent's settings; this trial's own may be others.
        if isinstance(self.recipe.scheduler, str):
            (config,) = self.trainer.lr_scheduler_configs
            scheduler: Any = config.scheduler
            scheduler.base_lrs = [self.recipe.arguments["lr"]] * len(scheduler.base_lrs)
            factors = [factor(scheduler.last_epoch) for factor in scheduler.lr_lambdas]
        elif self.recipe.scheduler is None:
            factors = [1.0] * len(self._fresh)
        else:
            return
        for group, fresh, factor in zip(self.trainer.optimizers[0].param_groups, self._fresh, factors, strict=True):
            group.update({**fresh, "lr": self.recipe.arguments["lr"] * factor})
