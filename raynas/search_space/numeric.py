"""Numeric domains: numbers between two bounds, which nobody has to list."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NoReturn, TypeVar

from raynas.errors import SpaceError
from raynas.search_space.domain import Domain, Value

N = TypeVar("N", int, float)

TRIES = 64
"""So often another number is drawn before one is taken that is surely another."""


@dataclass(frozen=True)
class Uniform(Domain):
    """A float from `low` to `high`, both included; the default is `low`.

    Attributes:
        log: whether equal ratios, not equal differences, are equally likely.

    >>> Uniform("rate", low=1e-4, high=1e-1, log=True).contains(0.01)
    True
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _bound(self, getattr(self, name), float))
        _check(self, self.low, self.high, self.log, 0.0)
        if self.low == self.high:
            raise SpaceError(f"choice '{self.label}'{self.at} is always {self.low}: write that number")

    @property
    def default(self) -> Value:
        return self.low

    def random(self, rng: Random) -> Value:
        if not self.log:
            return _within(self.low + (self.high - self.low) * rng.random(), self.low, self.high)
        low, high = math.log(self.low), math.log(self.high)
        return _within(math.exp(low + (high - low) * rng.random()), self.low, self.high)

    def other(self, value: Value, rng: Random) -> Value:
        for _ in range(TRIES):
            drawn = self.random(rng)
            if drawn != value:
                return drawn
        return self.high if value != self.high else self.low

    def contains(self, value: object) -> bool:
        return type(value) is float and self.low <= value <= self.high

    def values(self) -> Iterator[Value]:
        refuse_listing(self)

    def size(self) -> None:
        return None

    def to_json(self) -> dict[str, Any]:
        return {"kind": "uniform", "label": self.label, "low": self.low, "high": self.high, "log": self.log}

    def __str__(self) -> str:
        return f"a float from {self.low!r} to {self.high!r}{', log-uniform' if self.log else ''}"


@dataclass(frozen=True)
class IntUniform(Domain):
    """A whole number from `low` to `high`, both included; the default is `low`.

    Attributes:
        log: whether small numbers are likelier, as they are where equal ratios count alike.

    >>> IntUniform("units", low=1, high=1024).size()
    1024
    """

    low: int = 0
    high: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _bound(self, getattr(self, name), int))
        _check(self, self.low, self.high, self.log, 1)

    @property
    def default(self) -> Value:
        return self.low

    def random(self, rng: Random) -> Value:
        if not self.log:
            return rng.randint(self.low, self.high)
        low, high = math.log(self.low), math.log(self.high + 1)
        return _within(int(math.exp(low + (high - low) * rng.random())), self.low, self.high)

    def other(self, value: Value, rng: Random) -> Value:
        if self.low == self.high:
            raise SpaceError(f"choice '{self.label}'{self.at} has one candidate only, so it cannot be changed")
        for _ in range(TRIES if self.log else 0):
            drawn = self.random(rng)
            if drawn != value:
                return drawn
        known = isinstance(value, int) and self.contains(value)
        drawn_int = rng.randint(self.low, self.high - 1) if known else rng.randint(self.low, self.high)
        return drawn_int + 1 if known and drawn_int >= value else drawn_int  # type: ignore[operator]  # an int, if known

    def contains(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high

    def values(self) -> Iterator[Value]:
        return iter(range(self.low, self.high + 1))

    def size(self) -> int:
        return self.high - self.low + 1

    def to_json(self) -> dict[str, Any]:
        return {"kind": "int_uniform", "label": self.label, "low": self.low, "high": self.high, "log": self.log}

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}{', log-uniform' if self.log else ''}"


def refuse_listing(domain: Domain) -> NoReturn:
    """Raise `SpaceError`: the values of this domain cannot be listed."""
    raise SpaceError(
        f"choice '{domain.label}'{domain.at} is continuous, so its values cannot be listed: "
        "give it a list of values, or a strategy that samples"
    )


def _bound(domain: Domain, value: Any, kind: type) -> Any:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and not whole):
        what = "a whole number" if kind is int else "a number"
        raise SpaceError(f"choice '{domain.label}'{domain.at} has the bound {value!r}: give {what}")
    return kind(value)


def _check(domain: Domain, low: float, high: float, log: bool, least: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise SpaceError(f"choice '{domain.label}'{domain.at} goes from {low} to {high}: give a low bound, then a high")
    if log and (low < least or low <= 0):
        raise SpaceError(f"choice '{domain.label}'{domain.at} is log-uniform from {low}: begin above zero")


def _within(value: N, low: N, high: N) -> N:
    return min(max(value, low), high)
