"""How many samples a conditional space has, without visiting them."""

from __future__ import annotations

from collections.abc import Sequence

from raynas.search_space.domain import Domain, exact

Clause = frozenset[tuple[str, frozenset[str]]]
Open = tuple[str, frozenset[Clause]]
"""A label whose counting is not yet settled: it counts when one of the clauses holds; no clause at all: it never does,
the empty clause among them: it always does."""

ALWAYS: frozenset[Clause] = frozenset([frozenset()])


def count(domains: Sequence[Domain]) -> int:
    """The number of samples, exactly.

    Splits the labels into groups that share no condition, and multiplies; within a group, decides the first label and
    adds up over its values, those with the same consequences together. Values are never listed, only those that
    conditions name.
    """
    sizes = {d.label: d.size() or 0 for d in domains}
    asked: dict[str, dict[str, None]] = {d.label: {} for d in domains}  # values that conditions tell from the others
    contained = {d.label: d.contains for d in domains}
    for condition in (c for d in domains for clause in d.when for c in clause):
        asked[condition.label].update((exact(v), None) for v in condition.values if contained[condition.label](v))
    order = {d.label: i for i, d in enumerate(domains)}
    start = [(d.label, _clauses(d)) for d in domains]
    known: dict[frozenset[Open], int] = {}

    def total(labels: Sequence[Open]) -> int:
        result = 1
        for group in _groups(labels):
            result *= one(group)
        return result

    def one(group: Sequence[Open]) -> int:
        key = frozenset(group)
        if key not in known:
            known[key] = decide(sorted(group, key=lambda item: order[item[0]]))
        return known[key]

    def decide(group: list[Open]) -> int:
        (label, clauses), rest = group[0], group[1:]
        if clauses != ALWAYS:  # the first label looks back at nothing, so it counts or it does not
            return total([settle(item, label, None) for item in rest])
        if not rest:
            return sizes[label]
        by_effect: dict[tuple[Open, ...], int] = {}
        for value, times in [*((value, 1) for value in asked[label]), (None, sizes[label] - len(asked[label]))]:
            after = tuple(settle(item, label, value) for item in rest)
            by_effect[after] = by_effect.get(after, 0) + times
        return sum(times * total(after) for after, times in by_effect.items() if times)

    def settle(item: Open, label: str, value: str | None) -> Open:
        name, clauses = item
        left = set()
        for clause in clauses:
            about = [allowed for key, allowed in clause if key == label]
            if all(value in allowed for allowed in about):
                left.add(frozenset(pair for pair in clause if pair[0] != label))
        return name, ALWAYS if frozenset() in left else frozenset(left)

    return total(start)


def _clauses(domain: Domain) -> frozenset[Clause]:
    if not domain.when or not all(domain.when):  # no clause, or one that asks for nothing
        return ALWAYS
    return frozenset(frozenset((c.label, frozenset(map(exact, c.values))) for c in clause) for clause in domain.when)


def _groups(labels: Sequence[Open]) -> list[list[Open]]:
    """The connected components under «stands in a clause of»."""
    parent = {label: label for label, _ in labels}

    def root(label: str) -> str:
        while parent[label] != label:
            parent[label] = label = parent[parent[label]]
        return label

    for label, clauses in labels:
        for clause in clauses:
            for other, _ in clause:
                parent[root(label)] = root(other)
    groups: dict[str, list[Open]] = {}
    for item in labels:
        groups.setdefault(root(item[0]), []).append(item)
    return list(groups.values())
