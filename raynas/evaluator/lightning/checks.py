"""Checks: a recipe of what a user gave, or the error that says why it cannot be followed."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import nn

from raynas.errors import ConfigError
from raynas.evaluator.lightning.recipe import SCHEDULES, Recipe, name_of


def recipe_of(
    criterion: Any,
    optimizer: Any,
    learning_rate: float,
    weight_decay: float,
    arguments: Mapping[str, Any] | None,
    scheduler: Any,
    horizon: int,
) -> Recipe:
    """The recipe for what a user gave; `ConfigError` where it cannot be followed."""
    for name, value in (("learning_rate", learning_rate), ("weight_decay", weight_decay)):
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= value < math.inf:
            raise ConfigError(f"{name} is {value!r}: give a number from 0 on")
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ConfigError(f"optimizer_arguments is {arguments!r:.80}: give a mapping from name to value")
    for name, value in (("criterion", criterion), ("optimizer", _named(optimizer))):
        if not callable(value):
            raise ConfigError(f"{name} is {value!r}: give a class or a function")
    if isinstance(scheduler, str) and scheduler not in SCHEDULES:
        raise ConfigError(
            f"there is no schedule '{scheduler}': choose among {', '.join(SCHEDULES)}, or give a function of the "
            "optimizer that returns a scheduler"
        )
    factory = _named(optimizer)
    try:
        takes = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"optimizer is {factory!r:.80}, which makes none ({error}): give a class or a function"
        ) from None
    decay = {"weight_decay": weight_decay} if weight_decay or "weight_decay" in takes else {}
    complete = {"lr": learning_rate, **decay, **(arguments or {})}
    try:
        _light(factory)([nn.Parameter(torch.zeros(1))], **complete)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the optimizer {name_of(factory)} does not take {complete} ({error})") from None
    return Recipe(criterion, factory, complete, scheduler, horizon)


def _light(factory: Any) -> Any:
    """The optimizer without torch's shield against its compiler, which imports that when the first one is made."""
    if not (isinstance(factory, type) and issubclass(factory, torch.optim.Optimizer)):
        return factory
    return type(factory.__name__, (factory,), {"add_param_group": inspect.unwrap(factory.add_param_group)})


def _named(optimizer: Any) -> Any:
    if not isinstance(optimizer, str):
        return optimizer
    found = getattr(torch.optim, optimizer.removeprefix("torch.optim."), None)
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        known = sorted(n for n, c in vars(torch.optim).items() if isinstance(c, type) and n != "Optimizer")
        raise ConfigError(f"torch.optim has no optimizer '{optimizer}': choose among {', '.join(known)}")
    return found
