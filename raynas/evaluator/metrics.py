"""Metrics: what an evaluator may return, made sure of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from raynas.errors import EvaluationError, NonFiniteError


def checked(metrics: object, objectives: Iterable[str] = (), source: str = "the evaluator") -> dict[str, float]:
    """What an evaluator returned or reported, as plain numbers.

    Args:
        metrics: a mapping from names to numbers; one-element tensors and arrays count as numbers.
        objectives: names that must be among them.
        source: who gave the metrics, for messages.

    Returns:
        Name to finite number, in the order given.

    Raises:
        NonFiniteError: a metric is nan or infinite.
        EvaluationError: `metrics` is no mapping, holds something else than numbers, or lacks an objective.
    """
    if not isinstance(metrics, Mapping):
        raise EvaluationError(f"{source} gave {_shown(metrics)}: give a mapping from metric names to numbers")
    numbers = {}
    for name, value in metrics.items():
        if not isinstance(name, str):
            raise EvaluationError(f"{source} named a metric {_shown(name)}: a metric's name is a str")
        numbers[name] = _number(name, value, source)
    missing = [objective for objective in objectives if objective not in numbers]
    if missing:
        given = ", ".join(f"'{name}'" for name in numbers) or "nothing"
        raise EvaluationError(
            f"{source} gave no '{missing[0]}': it gave {given}; choose the objective among these, or have it returned"
        )
    return numbers


def whole_step(step: Any) -> int:
    """The step of a report, as a plain number.

    Raises:
        EvaluationError: it is no whole number, or one that no database holds.
    """
    plain = step.detach() if hasattr(step, "detach") else step
    try:
        whole = int(plain)
        good = not isinstance(step, str | bytes) and bool(whole == plain) and abs(whole) < 1 << 63
    except (TypeError, ValueError, RuntimeError, OverflowError):
        good = False
    if not good:
        raise EvaluationError(f"the evaluator reported step {_shown(step)}: give a whole number, such as the epoch")
    return whole


def _number(name: str, value: Any, source: str) -> float:
    plain = value.detach() if hasattr(value, "detach") else value
    try:
        number = None if isinstance(value, str | bytes) else float(plain)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = None
    if number is None:
        raise EvaluationError(f"{source} gave {_shown(value)} as '{name}': a metric is one number")
    if not math.isfinite(number):
        raise NonFiniteError(f"{source} gave {number} as '{name}': the training diverged, or leave this metric out")
    return number


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    text = text if len(text) <= 60 else f"{text[:57]}…"
    return f"{text} ({type(value).__name__})" if value is not None else "None"
