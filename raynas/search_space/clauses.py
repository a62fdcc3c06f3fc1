"""Clauses: when a choice counts, said as shortly as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from raynas.search_space.domain import Condition, Domain, Value, exact

Clause: TypeAlias = tuple[Condition, ...]
"""Conditions that must all hold."""

Allowed = dict[str, dict[str, Value]]
"""A clause by label: the values that it allows, by their exact texts, in their order."""


def reduced(clauses: Iterable[Clause], domains: Mapping[str, Domain]) -> tuple[Clause, ...] | None:
    """Alternatives that hold exactly where the given ones do; empty where they always do, None where they never do.

    Each clause must imply that the labels it names count, as it does where it lists every choice around a place: then a
    condition that allows all values says nothing.

    Args:
        clauses: alternatives; at least one.
        domains: of the labels that stand in them.
    """
    known = [allowed for clause in clauses if (allowed := _normal(clause, domains)) is not None]
    if not known:
        return None
    while True:
        before = [_key(allowed) for allowed in known]
        for label in {label: None for allowed in known for label in allowed}:
            known = _merged(known, label, domains[label])
        known = _absorbed(known)
        if [_key(allowed) for allowed in known] == before:
            break
    if {} in known:
        return ()
    return tuple(
        tuple(Condition(label, tuple(values.values())) for label, values in allowed.items()) for allowed in known
    )


def _normal(clause: Clause, domains: Mapping[str, Domain]) -> Allowed | None:
    """A clause by label, without conditions that say nothing; None where it never holds."""
    found: Allowed = {}
    for condition in clause:
        values = {exact(value): value for value in condition.values}
        if condition.label in found:
            values = {text: value for text, value in found[condition.label].items() if text in values}
        if not values:
            return None
        found[condition.label] = values
    return {label: values for label, values in found.items() if len(values) != domains[label].size()}


def _merged(known: list[Allowed], label: str, domain: Domain) -> list[Allowed]:
    """Clauses that differ in what they allow for `label` only, as one."""
    groups: dict[object, Allowed] = {}
    for allowed in known:
        if label not in allowed:
            groups.setdefault(("free", _key(allowed)), allowed)
            continue
        rest = _key({other: values for other, values in allowed.items() if other != label})
        if rest in groups:
            groups[rest] = {**groups[rest], label: {**groups[rest][label], **allowed[label]}}
        else:
            groups[rest] = allowed
    return [
        {other: values for other, values in allowed.items() if other != label or len(values) != domain.size()}
        for allowed in groups.values()
    ]


def _absorbed(known: list[Allowed]) -> list[Allowed]:
    """The clauses without those that another one makes needless."""
    kept: list[Allowed] = []
    for allowed in sorted(known, key=len):
        if not any(_implies(allowed, other) for other in kept):
            kept.append(allowed)
    order = {id(allowed): place for place, allowed in enumerate(known)}
    return sorted(kept, key=lambda allowed: order[id(allowed)])


def _implies(allowed: Allowed, other: Allowed) -> bool:
    return all(label in allowed and allowed[label].keys() <= values.keys() for label, values in other.items())


def _key(allowed: Allowed) -> object:
    return tuple((label, tuple(values)) for label, values in sorted(allowed.items()))
