"""What an experiment is given: each argument is checked by itself, as it is handed over."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from raynas.errors import ConfigError
from raynas.trial.history import Direction


def instance(value: Any, kind: type, name: str) -> Any:
    """The value, where it is one of this class."""
    if not isinstance(value, kind):
        if isinstance(value, type):
            what, cure = f"the class {value.__name__}", f"an instance of it, {value.__name__}(…)"
        elif inspect.isroutine(value):
            function = value.__name__
            what, cure = f"the function {function}", f"raynas.FunctionalEvaluator({function})"
        else:
            what, cure = f"a {type(value).__name__}", f"an instance of raynas.{kind.__name__}"
        raise ConfigError(f"{name} is {what}: give {cure}")
    return value


def objectives(objective: str | Mapping[str, Direction]) -> dict[str, Direction]:
    """Each metric to judge by with its direction; the first one decides what is best."""
    if not isinstance(objective, str | Mapping):
        raise ConfigError(
            f"objective is {objective!r}: name the metric to judge by, or give a mapping to 'max' or 'min'"
        )
    if isinstance(objective, str) and "loss" in objective.lower().split("_"):
        raise ConfigError(
            f"objective '{objective}' would be searched for its largest value: write {{'{objective}': 'min'}}, "
            f"or {{'{objective}': 'max'}} if that is meant"
        )
    given: dict[str, Direction] = {objective: "max"} if isinstance(objective, str) else dict(objective)
    for name, direction in given.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"objective names the metric {name!r}: write what the evaluator calls it")
        if direction not in ("max", "min"):
            raise ConfigError(f"objective {name!r}: {direction!r} is no direction: write {{'{name}': 'max'}} or 'min'")
    if not given:
        raise ConfigError("objective is empty: name the metric to judge by")
    return given


def at_least(value: Any, least: float, name: str, whole: bool = False, required: bool = False) -> Any:
    """The number, where it is one from `least` on; None only where it is not required."""
    if value is None and not required:
        return None
    good = isinstance(value, Integral) if whole else isinstance(value, Real) and math.isfinite(value)
    if isinstance(value, bool) or not good or value < least:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name} is {value!r}: give {kind}{f' from {least:g}' if least > -math.inf else ''}")
    return int(value) if isinstance(value, Integral) else float(value)  # NumPy has integers of its own


def flag(value: Any, name: str) -> bool:
    """The value, where it says yes or no."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r:.80}: give True or False")
    return value


def mapping(value: Any, name: str) -> dict[str, Any]:
    """The mapping as a dict of the caller's own; an empty one for None."""
    if value is not None and not (isinstance(value, Mapping) and all(isinstance(key, str) for key in value)):
        raise ConfigError(f"{name} is {value!r:.80}: give a mapping from names")
    return dict(value or {})


def samples(values: Any) -> tuple[dict[str, Any], ...]:
    """Samples to begin with."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ConfigError(f"initial_samples is {values!r:.80}: give a list of samples")
    return tuple([mapping(value, f"initial_samples[{place}]") for place, value in enumerate(values)])
