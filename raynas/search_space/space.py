"""SearchSpace: the domains of a space, in an order in which conditions look back only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from raynas.errors import SampleError, SpaceError
from raynas.search_space.counting import count
from raynas.search_space.description import described
from raynas.search_space.domain import Condition, Domain, Value, same
from raynas.search_space.kinds import domain_from_json
from raynas.search_space.numeric import refuse_listing
from raynas.search_space.sample import Sample, plain


class SearchSpace:
    """The choices of a model (and its evaluator), as a strategy sees them.

    Args:
        domains: one for each label; a condition may only name labels that come before it.

    >>> from raynas.search_space import Categorical
    >>> space = SearchSpace([Categorical("op", candidates=("conv", "pool")),
    ...                      Categorical("kernel", when=((Condition("op", ("conv",)),),), candidates=(3, 5))])
    >>> space.size(), [dict(sample) for sample in space.grid()]
    (3, [{'op': 'conv', 'kernel': 3}, {'op': 'conv', 'kernel': 5}, {'op': 'pool'}])
    """

    def __init__(self, domains: Sequence[Domain] = ()) -> None:
        self.domains: tuple[Domain, ...] = tuple(domains)
        seen: dict[str, Domain] = {}
        for domain in self.domains:
            if domain.label in seen:
                places = f" ({seen[domain.label].where} and {domain.where})" if domain.where else ""
                raise SpaceError(
                    f"label '{domain.label}' stands for two choices{places}: give one of them another label"
                )
            for condition in (c for clause in domain.when for c in clause):
                if condition.label not in seen:
                    raise SpaceError(
                        f"choice '{domain.label}' depends on '{condition.label}', which does not come before it: "
                        "put it before"
                    )
            seen[domain.label] = domain
        self._by_label = seen

    def __getitem__(self, label: str) -> Domain:
        try:
            return self._by_label[label]
        except KeyError:
            raise SampleError(f"there is no choice '{label}': the space has {self._labels()}") from None

    def __iter__(self) -> Iterator[Domain]:
        return iter(self.domains)

    def __len__(self) -> int:
        return len(self.domains)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"SearchSpace({len(self)} choices, {self.size()} samples)"

    def _labels(self) -> str:
        some = ", ".join(f"'{domain.label}'" for domain in self.domains[:12]) or "no choices"
        return some if len(self) <= 12 else f"{some}, … ({len(self)} choices)"

    def default(self) -> Sample:
        """Every choice at its first candidate."""
        return self._filled(lambda domain: domain.default)

    def random(self, rng: Random) -> Sample:
        """A sample with each active choice drawn uniformly from its domain."""
        return self._filled(lambda domain: domain.random(rng))

    def complete(self, values: Mapping[str, Value], rng: Random) -> Sample:
        """`values` where they count and lie in their domains; what is missing is drawn at random."""
        return self._filled(
            lambda d: values[d.label] if d.label in values and d.contains(values[d.label]) else d.random(rng)
        )

    def mutate(self, sample: Sample, rng: Random) -> Sample | None:
        """A sample in which one active choice, drawn uniformly, has another value.

        Choices that begin to count are drawn at random. None where the space has no other sample.
        """
        free = [domain for domain in self.domains if domain.label in sample and domain.size() != 1]
        if not free:
            return None
        changed = free[rng.randrange(len(free))]
        return self.complete({**sample, changed.label: changed.other(sample[changed.label], rng)}, rng)

    def grid(self, after: Mapping[str, Value] | None = None) -> Iterator[Sample]:
        """Every sample once, lazily; the last choice changes fastest.

        Args:
            after: begin behind this sample of the space, without visiting those before it.

        Raises:
            SpaceError: a domain is continuous.
        """
        endless = next((domain for domain in self.domains if domain.size() is None), None)
        if endless is not None:
            refuse_listing(endless)
        chosen: dict[str, Value] = {}
        # An odometer: the active domains up to the current one, each with the values it has still to take.
        wheels: list[tuple[int, Iterator[Value]]] = []

        def descend(position: int, start: Mapping[str, Value] | None) -> None:
            for at in range(position, len(self.domains)):
                domain = self.domains[at]
                if domain.active(chosen):
                    values = domain.values()
                    value = next(values)
                    while start is not None and not same(value, start[domain.label]):
                        value = next(values)
                    wheels.append((at, values))
                    chosen[domain.label] = value

        if after is not None:
            self.validate(after)
        descend(0, after)
        if after is None:
            yield Sample(chosen)
        while wheels:
            at, values = wheels[-1]
            label = self.domains[at].label
            try:
                chosen[label] = next(values)
            except StopIteration:
                wheels.pop()
                del chosen[label]
                continue
            descend(at + 1, None)
            yield Sample(chosen)

    def contains(self, sample: Mapping[str, Value]) -> bool:
        """Whether `sample` has exactly the labels that count, each with a value of its domain."""
        try:
            self.validate(sample)
        except SampleError:
            return False
        return True

    def validate(self, sample: Mapping[str, Value]) -> dict[str, Value]:
        """The values of `sample`, in the order of the space.

        Raises:
            SampleError: it is not a sample of this space; the message names the label and the cure.
        """
        if not isinstance(sample, Mapping):
            raise SampleError(f"{sample!r:.80} is no sample: give a mapping from labels to values")
        for label in sample:
            if label not in self._by_label:
                self[label]
        given = dict(sample.items())
        chosen: dict[str, Value] = {}
        for domain in self.domains:
            label = domain.label
            if domain.when and not domain.active(chosen):
                if label in given:
                    raise SampleError(
                        f"the sample sets '{label}'{domain.at}, which does not count under its other values: "
                        "leave it out"
                    )
                continue
            if label not in given:
                raise SampleError(f"the sample leaves out '{label}'{domain.at}: give it {domain}")
            value = given[label]
            if not domain.contains(value):
                raise SampleError(f"the sample sets '{label}'{domain.at} to {value!r}: give it {domain}")
            chosen[label] = value
        return chosen

    def size(self) -> int | None:
        """How many samples there are, exactly; None where a domain is continuous."""
        return self._size

    @cached_property
    def _size(self) -> int | None:
        if any(domain.size() is None for domain in self.domains):
            return None
        return count(self.domains)

    def merged(self, other: SearchSpace) -> SearchSpace:
        """This space and `other`; a label that both have must be the same choice, and counts where it does in either.

        Raises:
            SpaceError: one label, two domains.
        """
        domains = dict(self._by_label)
        for domain in other.domains:
            mine = domains.get(domain.label)
            if mine is None:
                domains[domain.label] = domain
            elif mine.to_json() != domain.to_json():
                raise SpaceError(
                    f"label '{domain.label}' stands for {mine}{mine.at} and for {domain}{domain.at}: "
                    "give one of them another label"
                )
            else:
                either = (*mine.when, *(clause for clause in domain.when if clause not in mine.when))
                domains[domain.label] = replace(mine, when=either if mine.when and domain.when else ())
        return SearchSpace(_in_order(domains))

    def describe(self) -> str:
        """A table as plain text: each choice, its values (the first is the default) and when it counts."""
        return described(self.domains, self.size())

    def to_json(self) -> str:
        return json.dumps(
            [
                {**d.to_json(), "when": [[[c.label, list(c.values)] for c in clause] for clause in d.when]}
                for d in self.domains
            ]
        )

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        return cls([_domain(record) for record in json.loads(text)])

    def _filled(self, pick: Any) -> Sample:
        chosen: dict[str, Value] = {}
        for domain in self.domains:
            if not domain.when or domain.active(chosen):
                chosen[domain.label] = pick(domain)
        return Sample(chosen)


def _in_order(domains: Mapping[str, Domain]) -> list[Domain]:
    """The domains in their order, except that what one depends on is moved before it."""
    placed: dict[str, Domain] = {}
    begun: set[str] = set()

    def place(domain: Domain) -> None:
        begun.add(domain.label)
        for label in (c.label for clause in domain.when for c in clause):
            if label in domains and label not in begun:
                place(domains[label])
        placed[domain.label] = domain

    for domain in domains.values():
        if domain.label not in begun:
            place(domain)
    return list(placed.values())  # where there is a circle, `SearchSpace` refuses it by name


def _domain(record: dict[str, Any]) -> Domain:
    when = tuple(
        tuple(Condition(label, tuple(plain(v) for v in values)) for label, values in clause)
        for clause in record["when"]
    )
    return replace(domain_from_json(record), when=when)
