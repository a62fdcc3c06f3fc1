"""The arguments of a trial's Trainer: the user's, the trial's, and what is off unless somebody asks for it."""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from raynas.errors import ConfigError
from raynas.evaluator.lightning.packages import DEFAULT, exported
from raynas.search_space.expression import defaults
from raynas.serializer import call_of

SPAWNED = "ddp_spawn"
"""The one strategy for several devices. The others begin the program anew, which in a worker is not the user's."""


def given(trainer: Any) -> dict[str, Any]:
    """The arguments that a user gave, as a mapping or as a recorded Trainer; `ConfigError` where it has no such.

    One that is as Lightning has it by default counts as not given: a configuration's parser may spell them all out.
    """
    if trainer is None:
        return {}
    known = inspect.signature(exported(DEFAULT, "Trainer")).parameters
    if isinstance(trainer, Mapping):
        arguments = dict(trainer)
        for name in trainer:
            if name not in known:
                close = difflib.get_close_matches(str(name), known, n=1)
                cure = f"did you mean '{close[0]}'?" if close else "leave it out"
                raise ConfigError(f"Lightning's Trainer takes no '{name}': {cure}")
    else:
        call = call_of(trainer)
        if call is None:
            raise ConfigError(
                f"the trainer is a {type(trainer).__module__}.{type(trainer).__qualname__}, which does not remember "
                "its arguments: make it with raynas.evaluator.lightning.Trainer, or give a mapping of the arguments"
            )
        arguments = dict(defaults(dict(call.kwargs)))
    return {name: value for name, value in arguments.items() if not _same(value, known[name].default)}


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and bool(value == other)


def check_devices(user: Mapping[str, Any]) -> int:
    """How many devices the arguments ask for; `ConfigError` where no trial can have them so."""
    count = _count(user.get("devices", 1))
    strategy = user.get("strategy", "auto")
    if user.get("num_nodes", 1) != 1:
        raise ConfigError("the trainer wants several nodes, and a trial runs on one: leave num_nodes out")
    if count == 1 and isinstance(strategy, str) and strategy.startswith(("ddp", "fsdp", "deepspeed")):
        raise ConfigError(f"the trainer has the strategy '{strategy}' for one device: leave it out")
    if count > 1 and strategy not in ("auto", SPAWNED):
        raise ConfigError(
            f"the trainer has the strategy {strategy!r}: in a trial, several devices need '{SPAWNED}', because the "
            "others start the program again, which in a worker is not yours"
        )
    return count


def devices_of(user: Mapping[str, Any], device: str) -> dict[str, Any]:
    """`accelerator`, `devices` and `strategy` for a trial that was given `device`.

    Args:
        user: the user's arguments.
        device: "cpu", "cuda:<index>", or another of torch's.
    """
    kind, _, index = device.partition(":")
    accelerator = {"cpu": "cpu", "cuda": "gpu"}.get(kind, kind)
    wanted = user.get("accelerator", "auto")
    if wanted in ("gpu", "cuda") and accelerator != "gpu":
        raise ConfigError(f"the trainer wants a GPU and the trial has '{device}': give trials one, as in num_gpus: 1")
    if wanted == "cpu":
        accelerator = "cpu"
    count = check_devices(user)
    if count == 1:
        return {
            "accelerator": accelerator,
            "devices": [int(index or 0)] if accelerator == "gpu" else 1,
            "strategy": user.get("strategy", "auto"),
        }
    if accelerator == "gpu" and not isinstance(user["devices"], list | tuple):
        raise ConfigError(f"the trainer wants {count} GPUs and the trial was given one ('{device}'): use devices=1")
    return {"accelerator": accelerator, "devices": user["devices"], "strategy": SPAWNED}


def _count(devices: Any) -> int:
    if devices in ("auto", None):
        return 1
    if isinstance(devices, list | tuple):
        return len(devices)
    try:
        count = int(devices)
    except (TypeError, ValueError):
        raise ConfigError(f"the trainer has devices={devices!r}: give a number") from None
    if count < 1:
        raise ConfigError(f"the trainer has devices={devices!r}: a trial uses what it was given; give a number")
    return count


def complete(user: Mapping[str, Any], device: str, epochs: int, package: str) -> dict[str, Any]:
    """All arguments of a trial's Trainer.

    The user's stay, except that device and epochs are the trial's. Progress bar, logger, checkpoints, summary and
    sanity check are off where the user says nothing of them.

    Args:
        user: the user's arguments.
        device: the trial's device.
        epochs: how many epochs to train in all.
        package: the Lightning to which it all belongs.
    """
    user = {name: anew(value, name) for name, value in user.items()}
    callbacks = user.get("callbacks") or []
    callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    bar = exported(package, "callbacks.ProgressBar")
    quiet = {
        "logger": False,
        "enable_progress_bar": any(isinstance(callback, bar) for callback in callbacks),
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        **({"deterministic": "warn"} if device.startswith("cuda") else {}),
    }
    if user.get("enable_checkpointing") and not any(
        isinstance(callback, exported(package, "callbacks.Checkpoint")) for callback in callbacks
    ):
        callbacks.append(exported(package, "callbacks.ModelCheckpoint")())
    # raynas's own callback, which comes last, is to Lightning a checkpoint callback; it writes nothing.
    trial = {"max_epochs": epochs, "callbacks": callbacks, "enable_checkpointing": True}
    return {**quiet, **user, **trial, **devices_of(user, device), "plugins": _plugins(user, package)}


def anew(value: Any, name: str) -> Any:
    """`value`, with objects in it made or copied for one trial: a callback counts, and must not go on from the last."""
    if isinstance(value, list | tuple):
        return [anew(item, name) for item in value]
    call = call_of(value)
    if call is not None:
        return call()
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise ConfigError(
            f"the trainer's {name} holds a {type(value).__qualname__}, of which each trial needs its own and which "
            f"cannot be copied ({error}): make it with raynas.serialize({type(value).__qualname__}, …)"
        ) from error


def _plugins(user: Mapping[str, Any], package: str) -> list[Any]:
    plugins = user.get("plugins") or []
    plugins = list(plugins) if isinstance(plugins, list | tuple) else [plugins]
    environment = exported(package, "plugins.environments.LightningEnvironment")
    if not any(isinstance(plugin, environment.__mro__[1]) for plugin in plugins):
        # Else Lightning would take a cluster's job variables, which were meant for Ray, as meant for itself.
        plugins.append(environment())
    return plugins
