"""Making: the experiment that settings mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from raynas.config.build import build, build_space
from raynas.config.settings import Settings
from raynas.errors import ConfigError
from raynas.experiment import Experiment


def make(settings: Settings, verbose: bool = False) -> Experiment:
    """The experiment that these settings mean.

    Args:
        settings: what the configuration says.
        verbose: whether Ray and the workers may print.

    Raises:
        ConfigError: a class path, an argument or a strategy is not what it should be; it says where.
    """
    for key in ("space", "evaluator"):
        if getattr(settings, key) is None:
            raise ConfigError(f"the configuration has no {key}: add {key}: with its class_path")
    strategy, arguments = _plugin(settings.strategy, "strategy")
    stopper, stopper_arguments = (None, None) if settings.stopper is None else _plugin(settings.stopper, "stopper")
    given = {item.name: getattr(settings, item.name) for item in fields(settings)}
    built = {
        "space": build_space(settings.space),
        "evaluator": _evaluator(settings.evaluator),
        "strategy": strategy,
        "strategy_arguments": arguments,
        "stopper": stopper,
        "stopper_arguments": stopper_arguments,
    }
    return Experiment(**{**given, **built}, verbose=verbose)


def _evaluator(spec: Any) -> Any:
    """What trains and judges; a class path may stand by itself, as for the space."""
    return build({"class_path": spec} if isinstance(spec, str) else spec, "evaluator")


def _plugin(spec: Any, key: str) -> tuple[Any, dict[str, Any] | None]:
    """What `raynas.plugins` takes for a strategy or stopper."""
    if isinstance(spec, str):
        name, arguments = spec, None
    elif isinstance(spec, Mapping) and isinstance(spec.get("class_path"), str):
        strange = next((key for key in spec if key not in ("class_path", "init_args")), None)
        if strange is not None:
            raise ConfigError(f"{key}: unknown key '{strange}' beside class_path: put it under init_args")
        name, arguments = spec["class_path"], build(spec.get("init_args") or {}, key)
    else:
        raise ConfigError(f"{key} is {spec!r:.80}: write its name, or class_path and init_args")
    if "." in name and ":" not in name:
        module, _, last = name.rpartition(".")
        name = f"{module}:{last}"
    return name, arguments
