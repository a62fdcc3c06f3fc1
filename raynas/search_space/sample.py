"""Sample: one point of a search space."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from raynas.search_space.domain import PLAIN, Value, exact


def plain(value: Any) -> Value:
    """JSON data as sample values: lists become tuples."""
    return tuple(plain(item) for item in value) if isinstance(value, list | tuple) else value


class Sample(Mapping[str, Value]):
    """An immutable, hashable mapping from label to value; equal samples have equal labels and exactly equal values.

    >>> Sample({"width": 8}) == Sample({"width": 8.0})
    False
    """

    __slots__ = ("_text", "_values")

    def __init__(self, values: Mapping[str, Any] = {}) -> None:  # never written to
        self._values: dict[str, Value] = {
            label: value if type(value) in PLAIN else plain(value) for label, value in values.items()
        }
        self._text: str | None = None

    def __getitem__(self, label: str) -> Value:
        return self._values[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, label: object) -> bool:
        return label in self._values

    def keys(self) -> KeysView[str]:
        return self._values.keys()

    def items(self) -> ItemsView[str, Value]:
        return self._values.items()

    def values(self) -> ValuesView[Value]:
        return self._values.values()

    def to_json(self) -> str:
        """Canonical JSON: sorted labels."""
        if self._text is None:
            self._text = exact(self._values)
        return self._text

    @classmethod
    def from_json(cls, text: str) -> Sample:
        return cls(json.loads(text))

    def replaced(self, **changes: Value) -> Sample:
        """A copy with some values changed."""
        return Sample({**self._values, **changes})

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sample) and self.to_json() == other.to_json()

    def __repr__(self) -> str:
        return f"Sample({self._values!r})"
