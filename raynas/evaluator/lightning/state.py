"""State: what a training leaves behind, and how another goes on from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

PATH = "memory://raynas"
"""The path under which Lightning's own checkpoint of a trial is asked for and saved; no file has it."""

LEFT_OUT = (
    "state_dict",
    "hyper_parameters",
    "hparams_name",
    "hparams_type",
    "datamodule_hyper_parameters",
    "datamodule_hparams_name",
    "datamodule_hparams_type",
)
"""Of Lightning's checkpoint: what stands elsewhere in the state, or was given to the constructor anyway."""


class InMemory:
    """Lightning's way to files, except for `PATH`, which is kept here.

    Args:
        files: what Lightning would have used.
        checkpoint: what is there to load from `PATH`.
    """

    def __init__(self, files: Any, checkpoint: Mapping[str, Any] | None) -> None:
        self.files = files
        self.checkpoint = checkpoint

    def save_checkpoint(self, checkpoint: Mapping[str, Any], path: Any, storage_options: Any = None) -> None:
        if path == PATH:
            self.checkpoint = checkpoint
        else:
            self.files.save_checkpoint(checkpoint, path, storage_options=storage_options)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> Any:
        # Optimizers take tensors over as they are and then write to them: a copy, for the parent's stay its own, and
        # spawned processes are given theirs in shared memory.
        return _copied(self.checkpoint) if path == PATH else self.files.load_checkpoint(path, *args, **kwargs)

    def remove_checkpoint(self, path: Any) -> None:
        self.files.remove_checkpoint(path)
        if os.path.basename(path) == ".temp.ckpt":
            os.rmdir(os.path.dirname(path))  # made for the weights that spawned processes hand over, and forgotten

    def teardown(self) -> None:
        self.files.teardown()


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Attributes:
        epoch: how many epochs the candidate has been trained already.
        epochs: the metrics of these, as `Progress.state` wrote them.
        trainer: Lightning's checkpoint, without the weights; None: optimizer and schedule start afresh.
        module: weights of the LightningModule that are not the candidate's.
        since: how many of these epochs were another trial's.
    """

    epoch: int = 0
    epochs: Iterable[Mapping[str, Any]] = ()
    trainer: Mapping[str, Any] | None = None
    module: Mapping[str, Tensor] = field(default_factory=dict)
    since: int = 0


def take_up(model: nn.Module, state: Mapping[str, Any] | None, target: int, own: bool, optimizer: str) -> Start:
    """Put the weights of `state` into `model`, and say where its training starts.

    - The same architecture, and fewer epochs behind it than `target`: the training goes on, with its optimizer's state.
    - Anything else: the weights that fit by name and shape are inherited, and the training starts at epoch 0.

    Args:
        model: the candidate.
        state: as `left_by` made it, at least with the key `model`; or weights alone; None: nothing to start from.
        target: how many epochs the candidate shall have been trained in the end.
        own: whether it is this trial's own checkpoint, which is taken up also where nothing is left to train.
        optimizer: names the optimizer; another one's state is of no use.
    """
    if state is None:
        return Start()
    if not isinstance(state.get("model"), Mapping):
        state = {"model": state}
    theirs: Mapping[str, Tensor] = state["model"]
    mine = model.state_dict()
    same = theirs.keys() == mine.keys() and all(theirs[name].shape == mine[name].shape for name in mine)
    epoch = int(state.get("epoch", 0))
    if same and (own or epoch < target):
        model.load_state_dict(theirs)
        trainer = state.get("trainer")
        if state.get("optimizer") != optimizer:
            trainer = None
        since = int(state.get("since", 0)) if own else epoch
        return Start(epoch, state.get("epochs", ()), trainer, state.get("module", {}), since)
    fitting = {name: theirs[name] for name in mine if name in theirs and theirs[name].shape == mine[name].shape}
    model.load_state_dict({**mine, **fitting})
    return Start()


def begin_at(trainer: Any, module: Any, start: Start) -> str | None:
    """Have `trainer.fit` begin at `start`; what to pass to it as `ckpt_path`.

    The candidate inside `module` has its weights already.
    """
    files = trainer.strategy.checkpoint_io
    if start.trainer is None:
        trainer.strategy.checkpoint_io = InMemory(files, None)
        progress = trainer.fit_loop.epoch_progress
        for count in (progress.current, progress.total):
            count.ready = count.started = count.processed = count.completed = start.epoch
        return None
    weights = {**module.state_dict(), **start.module}
    trainer.strategy.checkpoint_io = InMemory(files, {**start.trainer, "state_dict": weights})
    return PATH


def between(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Lightning's checkpoint, made when an epoch has just begun, as that of a training that has ended with the last."""
    loop = checkpoint["loops"]["fit_loop"]
    progress = {
        name: {**count, "ready": count["ready"] - 1} if name in ("total", "current") else count
        for name, count in loop["epoch_progress"].items()
    }
    return {**checkpoint, "loops": {**checkpoint["loops"], "fit_loop": {**loop, "epoch_progress": progress}}}


def left_by(
    checkpoint: Mapping[str, Any],
    module: Any,
    model: nn.Module,
    epochs: list[dict[str, Any]],
    optimizer: str,
    since: int,
) -> dict[str, Any]:
    """The state of a training after some epochs: tensors and plain data.

    Args:
        checkpoint: Lightning's, of the last one's end.
        module: the LightningModule.
        model: the candidate in it.
        epochs: the metrics so far, as `Progress.state` writes them.
        optimizer: names the optimizer.
        since: how many of the epochs were another trial's.

    Returns:
        `model`: the candidate's weights; `epoch`: how many epochs it was trained in all; `epochs`: their metrics;
        `since`: how many of them were another trial's;
        `optimizer`: its name; `trainer`: Lightning's checkpoint (optimizers, schedules, loops, callbacks, precision);
        `module`: weights around the candidate.
    """
    ours = {id(tensor) for tensor in model.state_dict(keep_vars=True).values()}
    around = {name for name, tensor in module.state_dict(keep_vars=True).items() if id(tensor) not in ours}
    return {
        "model": model.state_dict(),
        "epoch": checkpoint["epoch"],
        "epochs": epochs,
        "since": since,
        "optimizer": optimizer,
        "trainer": {key: value for key, value in checkpoint.items() if key not in LEFT_OUT},
        "module": {name: tensor for name, tensor in checkpoint["state_dict"].items() if name in around},
    }


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone(memory_format=torch.preserve_format)
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return value
