"""Training: one trial, from a LightningModule to its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from raynas.errors import ConfigError, EvaluationError, notice
from raynas.evaluator.evaluator import Context
from raynas.evaluator.lightning.arguments import SPAWNED, check_devices, complete, given
from raynas.evaluator.lightning.epochs import flattened
from raynas.evaluator.lightning.packages import class_for, common_package, exported
from raynas.evaluator.lightning.progress import Mode, Progress
from raynas.evaluator.lightning.quiet import quiet, untouched
from raynas.evaluator.lightning.recipe import Recipe, Task
from raynas.evaluator.lightning.seeding import seed_all, seed_epoch
from raynas.evaluator.lightning.source import Source
from raynas.evaluator.lightning.spawned import Relay, ending, portable
from raynas.evaluator.lightning.state import PATH, begin_at, left_by, take_up
from raynas.evaluator.lightning.supervised import Supervised
from raynas.evaluator.lightning.watch import Watch

EPOCHS = 10
"""How long to train where neither the evaluator nor its trainer says."""


@dataclass(frozen=True)
class Plan:
    """How long to train, with what Trainer, and which epoch is the best.

    Attributes:
        max_epochs: the most epochs that a candidate is trained.
        trainer: the user's arguments of the Trainer.
        monitor: the metric that says which epoch is the best one; None: none is.
        mode: whether its minimum or its maximum is best.
        verbose: whether Lightning may talk.
    """

    max_epochs: int
    trainer: Mapping[str, Any]
    monitor: str | None
    mode: Mode
    verbose: bool = False

    @classmethod
    def of(cls, max_epochs: int | None, trainer: Any, monitor: str | None, mode: Mode, verbose: bool) -> Plan:
        """The plan for what a user gave."""
        arguments = given(trainer)
        check_devices(arguments)
        epochs = max_epochs if max_epochs is not None else arguments.get("max_epochs") or EPOCHS
        if not isinstance(epochs, int) or epochs < 1:
            raise ConfigError(f"max_epochs is {epochs!r}: give a whole number from 1 on")
        if mode not in ("min", "max"):
            raise ConfigError(f"mode is {mode!r}: give 'min' or 'max'")
        return cls(epochs, arguments, monitor, mode, verbose)

    def metric_names(self, *names: str) -> Sequence[str] | None:
        """These, their best ones and the best epoch; None where the user's callbacks may log more."""
        if self.trainer.get("callbacks"):
            return None
        return [*names, *(f"best_{name}" for name in names), "best_epoch"]

    def epochs(self, budget: float | None) -> int:
        """Epochs of training in all, those of a warm start included."""
        if budget is None:
            return self.max_epochs
        wanted = max(1, round(budget))
        if wanted > self.max_epochs:
            notice(
                f"the strategy's budget of {budget:g} epochs is cut to max_epochs={self.max_epochs}: raise max_epochs"
            )
        return min(wanted, self.max_epochs)


def train_supervised(
    plan: Plan, recipe: Recipe, task: Task, source: Source, model: nn.Module, context: Context
) -> dict[str, float]:
    """Train `model` on inputs and targets; see `train`."""

    def make(package: str) -> Any:
        return class_for(package, Supervised, "LightningModule")(model, recipe, task)

    return train(plan, model, make, source.loaders(), context, optimizer=recipe.name)


def train(
    plan: Plan,
    model: nn.Module,
    make: Callable[[str], Any],
    data: Mapping[str, Any],
    context: Context,
    hints: Sequence[object] = (),
    optimizer: str = "",
) -> dict[str, float]:
    """Train and validate, and leave the state in `context.checkpoint`: after each epoch, unless these take no time.

    Args:
        plan: how.
        model: the candidate.
        make: the LightningModule around the candidate, for the package whose name it is given.
        data: arguments of `Trainer.fit` that bring the data.
        context: the trial's.
        hints: classes and objects that say which Lightning it is, beside callbacks and loggers.
        optimizer: names the optimizer, for states that are handed on; "" where it is the module's own affair.

    Returns:
        The last epoch's metrics, and with a monitored one the best epoch's as `best_…`.
    """
    target = plan.epochs(context.budget)
    own = context.checkpoint.restore()
    state = own if own is not None else context.warm_start
    start = take_up(model, state, target, own is not None, optimizer)
    progress = Progress(plan.monitor, plan.mode, (entry for entry in start.epochs if entry["epoch"] < start.since))
    for entry in start.epochs:
        if entry["epoch"] >= start.since:  # an earlier attempt's, whose reports went with it
            context.report(progress.add(entry["epoch"], entry["metrics"]), entry["epoch"])
    if start.epoch >= target:
        return progress.result()
    package = common_package([*hints, *_parts(plan.trainer)])
    make_trainer = exported(package, "Trainer")  # before `quiet`, as it is the import that makes Lightning talk
    with quiet(plan.verbose), untouched():
        seed_all(context.seed)
        module = make(package)
        arguments = complete(plan.trainer, context.device, target, package)
        spawns = arguments["strategy"] == SPAWNED

        def save(checkpoint: Mapping[str, Any]) -> None:
            context.checkpoint.save(left_by(checkpoint, module, model, progress.state(), optimizer, start.since))

        def hear(epoch: int, metrics: Mapping[str, float]) -> None:
            context.report(progress.add(epoch, metrics), epoch)

        relay = Relay(plan.verbose) if spawns else None
        watch = class_for(package, Watch, "callbacks.Checkpoint")(
            context.seed, relay or hear, None if spawns else save, start.epoch
        )
        arguments["callbacks"].append(watch)
        trainer = make_trainer(**arguments)
        path = begin_at(trainer, module, start)
        seed_epoch(context.seed, start.epoch, flattened(list(data.values())))
        if relay is None:
            trainer.fit(module, ckpt_path=path, **data)
            trainer.save_checkpoint(PATH)
            stopped, checkpoint = watch.stopped, trainer.strategy.checkpoint_io.checkpoint
        else:
            with relay.serving(hear), portable(_pieces(model, module, data), context.seed), ending(trainer):
                trainer.fit(module, ckpt_path=path, **data)
            stopped, checkpoint = relay.stopped, relay.checkpoint
        save(checkpoint)
    if stopped is not None:
        raise stopped
    result = progress.result()
    if not result:
        raise EvaluationError(f"no validation ran in {target} epochs: lower check_val_every_n_epoch or train longer")
    return result


def _pieces(model: nn.Module, module: Any, data: Mapping[str, Any]) -> list[Any]:
    """What of a training is of a class of the user's."""
    loaders = list(flattened(list(data.values())))
    return [model, module, *loaders, *(loader.dataset for loader in loaders if hasattr(loader, "dataset"))]


def _parts(trainer: Mapping[str, Any]) -> list[Any]:
    """The user's callbacks, loggers and plugins."""
    parts: list[Any] = []
    for name in ("callbacks", "logger", "plugins", "strategy", "profiler"):
        value = trainer.get(name)
        parts.extend(value if isinstance(value, list | tuple) else [value])
    return parts
