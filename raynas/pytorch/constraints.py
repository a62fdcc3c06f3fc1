"""Constraints: bounds on a candidate's profile, as a user writes them. Pure."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from raynas.errors import ConfigError

if TYPE_CHECKING:
    from raynas.pytorch.profiling import Profile

Constraint: TypeAlias = "str | Callable[[Profile], Any]"

NUMBERS = ("params", "flops", "macs", "activation_bytes")
"""What of a profile can be bounded by a text."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}
SUFFIXES = {"": 1, **{name: 1000**power for power, name in enumerate("kMGT", start=1)}}
SUFFIXES |= {f"{name[0].upper()}i": 1024**power for power, name in enumerate("kMGT", start=1)} | {"K": 1000}

BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*(\d[\d_]*\.?\d*(?:[eE][+-]?\d+)?)\s*([kKMGT]?i?)B?\s*")


def check(profile: Profile, constraints: Mapping[str, Constraint]) -> str | None:
    """Why a candidate breaks the constraints, in a line; None where it keeps them all.

    >>> from raynas.pytorch.profiling import Profile
    >>> check(Profile(620_000, 0, 0, None), {"params": "<=500k", "flops": "<=50M"})
    'params is 620,000, not <=500k'

    Args:
        profile: the candidate's.
        constraints: bounds by number: one of `params`, `flops`, `macs` and `activation_bytes` with a text such as
            "<=500k", ">= 1.5M", "<2e6", "<=64MiB" or ">=10k, <=500k" (k, M, G, T are powers of 1000, Ki to Ti of
            1024); or functions of the profile by any name: what is false breaks the constraint, a text says why.

    Raises:
        ConfigError: a constraint is not one of these, or its function fails or gives no answer; names it.
    """
    for name, constraint in constraints.items():
        if callable(constraint):
            answer = _answer(name, constraint, profile)
            if isinstance(answer, str):
                return f"{name}: {answer}"
            if not answer:
                return f"{name} does not hold"
            continue
        value = getattr(profile, _known(name))
        for text, compare, limit in _bounds(name, constraint):
            if not compare(value, limit):
                return f"{name} is {value:,}, not {text}"
    return None


def _answer(name: str, function: Callable[[Profile], Any], profile: Profile) -> Any:
    try:
        answer = function(profile)
    except Exception as error:
        raise ConfigError(
            f"constraint '{name}' failed for {profile} with {type(error).__name__}: {error}: correct its function"
        ) from error
    if answer is None:
        raise ConfigError(f"constraint '{name}' gave None for {profile}: return whether it holds, or why it does not")
    return answer


def validate(constraints: Mapping[str, Constraint]) -> None:
    """`ConfigError` for the first constraint that `check` could not read."""
    if not isinstance(constraints, Mapping):
        raise ConfigError(f'constraints {constraints!r} are no mapping: write {{"params": "<=500k"}}')
    for name, constraint in constraints.items():
        if not callable(constraint):
            _bounds(_known(name), constraint)


def _known(name: str) -> str:
    if name not in NUMBERS:
        close = difflib.get_close_matches(str(name), NUMBERS, 1)
        meant = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(f"constraint '{name}' bounds no number of a profile: {meant}use one of {', '.join(NUMBERS)}")
    return name


def _bounds(name: str, constraint: Any) -> list[tuple[str, Callable[[float, float], bool], float]]:
    """The bounds in a text: each as written, and as a comparison with a number."""
    if not isinstance(constraint, str):
        raise ConfigError(f"constraint '{name}' is {constraint!r}: write a text such as '<=500k', or a function")
    found = []
    for part in constraint.split(","):
        match = BOUND.fullmatch(part)
        if match is None or match[3] not in SUFFIXES:
            raise ConfigError(f"constraint '{name}' is {constraint!r}, which is no bound: write one such as '<=500k'")
        number = float(match[2]) * SUFFIXES[match[3]]
        found.append((part.strip(), COMPARISONS[match[1]], number))
    return found
