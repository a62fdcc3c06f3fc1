"""Evaluator: what says how good a model is, and the context in which it works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from raynas.errors import TrialStopped

if TYPE_CHECKING:
    from torch import nn


class Checkpoint(Protocol):
    """A trial's own memory, which outlives its worker: `restore` gives what the last `save` was given.

    What a trial saved last is also what others start from, as their `Context.warm_start`.
    """

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep `state`: tensors and plain data, as `state_dict` methods return them; anything else is refused."""

    def restore(self) -> Mapping[str, Any] | None:
        """What this trial saved last, in whatever attempt, with its tensors on the CPU; None: nothing yet."""


class _Forgetful:
    """A checkpoint that keeps what it is given for as long as the attempt lasts."""

    def __init__(self) -> None:
        self._state: Mapping[str, Any] | None = None

    def save(self, state: Mapping[str, Any]) -> None:
        self._state = state

    def restore(self) -> Mapping[str, Any] | None:
        return self._state


def _unheard(metrics: Mapping[str, float], step: int) -> bool:
    return False


@dataclass
class Context:
    """What an evaluator is told about its trial, and how it talks back.

    Attributes:
        seed: seeds the trial; torch, NumPy and Python are seeded with it before `evaluate` is called.
        device: where to train: "cpu" or "cuda:<index>"; it is also the current CUDA device.
        budget: what the strategy allows, in the evaluator's unit (epochs, for the built-in ones); None: no limit.
        trial: the trial's number.
        attempt: how often the trial has been begun, this time included.
        warm_start: what the trial to start from saved last in its checkpoint (its weights alone, under "model", where
            it saved nothing), with tensors on the CPU; None: start afresh.
        checkpoint: this trial's memory across attempts.
        send: takes metrics and a step, returns whether the trial should stop.
    """

    seed: int = 0
    device: str = "cpu"
    budget: float | None = None
    trial: int = 0
    attempt: int = 1
    warm_start: Mapping[str, Any] | None = None
    checkpoint: Checkpoint = field(default_factory=_Forgetful)
    send: Callable[[Mapping[str, float], int], bool] = _unheard

    def report(self, metrics: Mapping[str, float], step: int) -> None:
        """Report metrics between start and end; returns when they are stored and judged.

        Args:
            metrics: name to finite number.
            step: how far the training is (the epoch, usually), from 0.

        Raises:
            TrialStopped: the trial should end now, with these metrics as its result. Let it pass.
        """
        if self.send(metrics, step):
            raise TrialStopped(f"trial {self.trial} was stopped at step {step}")


class Evaluator(ABC):
    """Trains and judges a model."""

    @abstractmethod
    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        """The metrics of `model`, which this method may train.

        Args:
            model: fresh, on `context.device`.
            context: seed, budget, device, and the way to report.

        Returns:
            Name to number; the search's objectives among them, finite.
        """

    def example_inputs(self) -> tuple[Any, ...] | None:
        """Arguments for one call of the model (a batch of the training data, without its targets); None: not known."""
        return None

    def metric_names(self) -> Sequence[str] | None:
        """What the metrics are called, so that a search by another one is refused before it starts; None: not known."""
        return None

    def epochs(self) -> int | None:
        """How many epochs a full training has, for estimates; None: not known."""
        return None
