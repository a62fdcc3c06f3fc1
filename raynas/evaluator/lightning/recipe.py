"""Recipe: with what a candidate is trained on inputs and targets."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from raynas.errors import EvaluationError


@dataclass(frozen=True)
class Task:
    """What is asked of the output.

    Attributes:
        align: brings output and target into the shapes that loss and measure want.
        measure: output and target of a batch, to the sum of each metric and how many values it is the sum of.
    """

    align: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    measure: Callable[[Tensor, Tensor], dict[str, tuple[Tensor, int]]]


def cosine(done: float) -> float:
    """Down to 0 along a cosine."""
    return 0.5 * (1 + math.cos(math.pi * done))


def one_cycle(done: float, warm_up: float = 0.3, start: float = 1 / 25, end: float = 1e-4 / 25) -> float:
    """Up along a cosine, then down along another (Smith and Topin, 2019; torch's default numbers)."""
    low, high, share = (start, 1.0, done / warm_up) if done < warm_up else (1.0, end, (done - warm_up) / (1 - warm_up))
    return low + (high - low) * 0.5 * (1 - math.cos(math.pi * share))


SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": cosine, "one_cycle": one_cycle}
"""The learning rate's factor when this share (0 to 1) of all epochs is done."""


@dataclass(frozen=True)
class Recipe:
    """How to train: what `Classification` and `Regression` have in common.

    Attributes:
        criterion: loss of (output, target), or the class of one.
        factory: makes the optimizer from parameters and `arguments`.
        arguments: `lr`, `weight_decay` and what else the optimizer takes.
        scheduler: a name from `SCHEDULES`; a function of the optimizer that returns a scheduler; or None.
        horizon: the epochs over which a named schedule runs.
    """

    criterion: Any
    factory: Callable[..., torch.optim.Optimizer]
    arguments: Mapping[str, Any]
    scheduler: Any
    horizon: int

    @property
    def name(self) -> str:
        """The optimizer's name."""
        return name_of(self.factory)

    def loss(self) -> Any:
        if isinstance(self.criterion, type):
            return self.criterion()
        # A copy, because a loss may have buffers and parameters, which one trial must not leave to the next.
        return copy.deepcopy(self.criterion) if isinstance(self.criterion, nn.Module) else self.criterion

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        if not parameters:
            raise EvaluationError("the candidate has no parameter that learns: give the space a layer that has")
        return self.factory(parameters, **self.arguments)


def name_of(factory: Callable[..., Any]) -> str:
    """What to call an optimizer's class, or a function that makes one."""
    return getattr(factory, "__qualname__", None) or repr(factory)
