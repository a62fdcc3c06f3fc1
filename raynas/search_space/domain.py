"""Domain: one label, the values it may take, and when it counts."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from raynas.errors import SpaceError

Value: TypeAlias = "None | bool | int | float | str | tuple[Value, ...]"
"""What may stand in a sample: plain, hashable, JSON-able data."""


PLAIN = frozenset({str, int, bool})
"""Types of values that are exactly equal where types and values are."""

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)  # `json.dumps` would make one for each value


def exact(value: Any) -> str:
    """A text that tells values apart as JSON does: `1`, `1.0` and `true` are three values."""
    return _ENCODER.encode(value)


@dataclass(frozen=True)
class Condition:
    """«`label` counts and is one of `values`»."""

    label: str
    values: tuple[Value, ...]

    def holds(self, chosen: Mapping[str, Value]) -> bool:
        return self.label in chosen and any(same(chosen[self.label], value) for value in self.values)


def same(left: Value, right: Value) -> bool:
    """Whether two values are exactly equal: `1`, `1.0` and `True` are not."""
    if type(left) in PLAIN and type(right) in PLAIN:
        return type(left) is type(right) and left == right  # what `exact` would say, sooner
    return exact(left) == exact(right)


@dataclass(frozen=True)
class Domain(ABC):
    """The values that one label may take.

    Attributes:
        label: the choice's name; one label is one choice, wherever it stands.
        when: alternatives, each a conjunction of conditions on earlier labels; the domain counts in a sample when
            one of them holds. Empty: it always counts.
        where: the line of the user's code that made the choice, where it is known; two domains that differ in it only
            are equal.
    """

    label: str
    when: tuple[tuple[Condition, ...], ...] = ()
    where: str = field(default="", compare=False, repr=False, kw_only=True)

    @property
    def at(self) -> str:
        """` (model.py:12)`, for messages; empty where nobody knows."""
        return f" ({self.where})" if self.where else ""

    def active(self, chosen: Mapping[str, Value]) -> bool:
        """Whether this domain counts, given the values of the labels before it."""
        return not self.when or any(all(c.holds(chosen) for c in clause) for clause in self.when)

    @property
    @abstractmethod
    def default(self) -> Value:
        """The value of a model that nobody has searched yet."""

    @abstractmethod
    def random(self, rng: Random) -> Value:
        """A value, uniformly."""

    @abstractmethod
    def other(self, value: Value, rng: Random) -> Value:
        """A value other than `value`, uniformly; `SpaceError` where there is none."""

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether `value` lies in the domain."""

    @abstractmethod
    def values(self) -> Iterator[Value]:
        """All values in order; `SpaceError` for a continuous domain."""

    @abstractmethod
    def size(self) -> int | None:
        """How many values there are; None for a continuous domain."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The domain without its conditions, as JSON data."""

    @abstractmethod
    def __str__(self) -> str:
        """What a value of the domain is, for messages: "one of 8, 16, 32"."""


@dataclass(frozen=True)
class Categorical(Domain):
    """A finite list of candidates, in the order in which the user wrote them.

    >>> Categorical("width", candidates=(8, 16, 32)).default
    8
    """

    candidates: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if not self.candidates:
            raise SpaceError(f"choice '{self.label}'{self.at} has no candidates: give it at least one")
        texts = [exact(candidate) for candidate in self.candidates]
        twice = next((text for text in texts if texts.count(text) > 1), None) if len(set(texts)) < len(texts) else None
        if twice is not None:
            raise SpaceError(f"choice '{self.label}'{self.at} has the candidate {twice} twice: leave one out")
        object.__setattr__(self, "_texts", frozenset(texts))
        plain = frozenset((type(candidate), candidate) for candidate in self.candidates if type(candidate) in PLAIN)
        object.__setattr__(self, "_plain", plain)

    @property
    def default(self) -> Value:
        return self.candidates[0]

    def random(self, rng: Random) -> Value:
        return self.candidates[rng.randrange(len(self.candidates))]

    def other(self, value: Value, rng: Random) -> Value:
        rest = [candidate for candidate in self.candidates if not same(candidate, value)]
        if not rest:
            raise SpaceError(f"choice '{self.label}'{self.at} has one candidate only, so it cannot be changed")
        return rest[rng.randrange(len(rest))]

    def contains(self, value: object) -> bool:
        if type(value) in PLAIN:
            return (type(value), value) in self._plain  # type: ignore[attr-defined]  # set in __post_init__
        try:
            return exact(value) in self._texts  # type: ignore[attr-defined]  # set in __post_init__
        except (TypeError, ValueError):
            return False

    def values(self) -> Iterator[Value]:
        return iter(self.candidates)

    def size(self) -> int:
        return len(self.candidates)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "categorical", "label": self.label, "candidates": list(self.candidates)}

    def __str__(self) -> str:
        shown = [repr(candidate) for candidate in self.candidates[:12]]
        rest = f", … ({self.size():,} values)" if len(shown) < self.size() else ""
        return f"one of {', '.join(shown)}{rest}"
