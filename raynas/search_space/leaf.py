"""Leaf: one choice, as it stands in a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from raynas.errors import SampleError, SpaceError
from raynas.search_space.domain import Categorical, Domain, Value, exact
from raynas.search_space.expression import Expression, token, users_line


class Leaf(Expression):
    """One choice among candidates: what `ValueChoice` makes.

    A candidate that is plain data stands in samples as it is; any other (a class, a function, a dtype) by its name.

    Args:
        candidates: the values to choose from; the first is the default.
        label: the choice's name; None until the space knows where it stands and names it.

    Attributes:
        where: the line of the user's code that made it; empty where that is not known.
    """

    def __init__(self, candidates: Sequence[Any], label: str | None = None) -> None:
        self.label = label
        self.where = users_line()
        self.candidates = tuple(candidates)
        self.tokens: tuple[Value, ...] = tuple(map(token, self.candidates))
        # Refuses an empty list and candidates that stand twice.
        Categorical(label or "unlabelled", candidates=self.tokens, where=self.where)

    def __deepcopy__(self, memo: dict[int, Any]) -> Leaf:
        return self  # a copied model makes the same choice

    def __repr__(self) -> str:
        return f"ValueChoice({list(self.candidates)!r}, label={self.label!r})"

    def named(self) -> str:
        if self.label is None:
            raise SpaceError(f"{self!r} has no label yet: give it one, or trace the space that holds it")
        return self.label

    def domain(self, when: tuple[Any, ...] = ()) -> Domain:
        return Categorical(self.named(), when, candidates=self.tokens, where=self.where)

    def leaves(self) -> Iterator[Leaf]:
        yield self

    def default(self) -> Any:
        return self.candidates[0]

    def options(self) -> list[tuple[Value, Any]]:
        """Each value that may stand in a sample, and what is then chosen; `SpaceError` where they have no end."""
        return list(zip(self.tokens, self.candidates, strict=True))

    def evaluate(self, sample: Mapping[str, Value]) -> Any:
        text = exact(self.chosen(sample))
        for known, candidate in zip(self.tokens, self.candidates, strict=True):
            if exact(known) == text:
                return candidate
        raise self._outside(sample[self.named()])

    def chosen(self, sample: Mapping[str, Value]) -> Value:
        """What stands for it in `sample`; `SampleError` where nothing does."""
        try:
            return sample[self.named()]
        except KeyError:
            domain = self.domain()
            raise SampleError(f"the sample leaves out '{self.label}'{domain.at}: give it {domain}") from None

    def _outside(self, value: Value) -> SampleError:
        domain = self.domain()
        return SampleError(f"the sample sets '{self.label}'{domain.at} to {value!r}: give it {domain}")


class DomainLeaf(Leaf):
    """One choice from a domain that does not list its values: what `ValueChoice.uniform` makes.

    Args:
        domain: the domain; its label and conditions are of no account.
        label: as in `Leaf`.
    """

    def __init__(self, domain: Domain, label: str | None = None) -> None:
        self.label = label
        self.where = users_line()
        self.of = replace(domain, label=label or "unlabelled", when=(), where=self.where)
        self.candidates = ()
        self.tokens = ()

    def __repr__(self) -> str:
        return f"ValueChoice({self.of}, label={self.label!r})"

    def domain(self, when: tuple[Any, ...] = ()) -> Domain:
        return replace(self.of, label=self.named(), when=when)

    def default(self) -> Any:
        return self.of.default

    def options(self) -> list[tuple[Value, Any]]:
        return [(value, value) for value in self.of.values()]

    def evaluate(self, sample: Mapping[str, Value]) -> Any:
        value = self.chosen(sample)
        if not self.of.contains(value):
            raise self._outside(value)
        return value
