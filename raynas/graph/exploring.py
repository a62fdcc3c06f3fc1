"""Exploring: which choices mutators ask for, and when, found out by running them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from raynas.errors import GraphError, RaynasError, SpaceError
from raynas.graph.collect import Found
from raynas.search_space import Condition, Domain, SearchSpace, Value
from raynas.search_space.clauses import Clause

LIMIT = 400
"""So many runs are made at most to see choices in all their combinations."""

PROBES = 48
"""So many samples are tried where that was not enough."""


@dataclass(frozen=True)
class Run:
    """One run of the mutators.

    Attributes:
        asked: their choices, in order, with the default where nothing was said.
        space: of the choices in the graph that they leave.
    """

    asked: Mapping[str, Domain]
    space: SearchSpace

    def places(self) -> dict[str, tuple[Clause, ...]]:
        """Every choice, and under which others in this very graph it counts; none: always."""
        found: dict[str, tuple[Clause, ...]] = dict.fromkeys(self.asked, ())
        for domain in self.space:
            found[domain.label] = () if domain.label in self.asked else domain.when
        return found

    def labels(self, sample: Mapping[str, Value]) -> set[str]:
        """The choices that count under `sample`."""
        return {*self.asked, *(domain.label for domain in self.space if domain.active(sample))}


Runner = Callable[[Mapping[str, Value]], Run]
Leaf = tuple[dict[str, Value], Run]
"""What was answered, in order, and the run."""


def explore(run: Runner, names: str) -> SearchSpace:
    """All choices, each with when it counts.

    Up to `LIMIT` runs, every combination of the mutators' choices is tried. Past that, choices are taken to be
    independent as long as changing one of them changes nothing about another; those that are not are tried together;
    and the result is checked on samples drawn at random.

    Args:
        run: runs the mutators, with the default for what is not answered.
        names: of the mutators, for messages.

    Raises:
        GraphError: too many choices hang on each other, or in a way that is not seen by changing them one by one.
    """
    base = run({})
    everything = _every(run, base, None)
    found = Found()
    if everything is not None:
        _note(found, everything, None)
        return found.space()
    clusters, known = _clusters(run, base)
    for label, when in base.places().items():
        if label not in known:
            _note_places(found, _domain(base, label), (), when)
    for cluster in clusters:
        leaves = _every(run, base, cluster)
        if leaves is None:
            raise GraphError(
                f"the choices {', '.join(sorted(cluster)[:6])}, … of {names} hang on each other in more than {LIMIT} "
                "ways: ask for fewer, or always for all of them"
            )
        _note(found, leaves, cluster)
    space = found.space()
    _probe(space, run, names)
    return space


def _every(run: Runner, base: Run, among: set[str] | None) -> list[Leaf] | None:
    """A run for every combination of picks, the others at their defaults; None where there are too many.

    Args:
        run: see `explore`.
        base: the run with every choice at its default.
        among: the labels that vary, beside those that `base` did not ask for; None: all.
    """
    leaves: list[Leaf] = []
    runs = 1
    waiting: list[Leaf] = [({}, base)]
    while waiting:
        picks, seen = waiting.pop()
        free = (
            domain
            for label, domain in seen.asked.items()
            if label not in picks and (among is None or label in among or label not in base.asked)
        )
        domain = next(free, None)
        if domain is None:
            leaves.append((picks, seen))
            continue
        for value in reversed(list(domain.values())):
            chosen = {**picks, domain.label: value}
            if value is domain.default:
                waiting.append((chosen, seen))
                continue
            runs += 1
            if runs > LIMIT:
                return None
            waiting.append((chosen, run(chosen)))
    return leaves


def _note(found: Found, leaves: list[Leaf], cluster: set[str] | None) -> None:
    """Note the choices of these runs, each under the picks that led to it."""
    places = [(picks, seen, seen.places()) for picks, seen in leaves]
    labels: dict[str, None] = {label: None for _, _, there in places for label in there}
    first = places[0][2]
    for label in labels:
        if all(label in there and there.get(label) == first.get(label) for *_, there in places):
            if cluster is None or label in cluster:
                for _, seen, _ in places:
                    _note_places(found, _domain(seen, label), (), first[label])
            continue
        for picks, seen, there in places:
            if label in there:
                _note_places(found, _domain(seen, label), tuple(_before(picks, seen, label)), there[label])


def _before(picks: Mapping[str, Value], seen: Run, label: str) -> Iterator[Condition]:
    """The picks that were made before `label` was asked for; all of them where the graph holds it."""
    for other, value in picks.items():
        if other == label:
            return
        yield Condition(other, (value,))


def _note_places(found: Found, domain: Domain, picks: Clause, when: tuple[Clause, ...]) -> None:
    for clause in when or ((),):
        found.note(domain, (*picks, *clause))


def _domain(seen: Run, label: str) -> Domain:
    return seen.asked[label] if label in seen.asked else seen.space[label]


def _clusters(run: Runner, base: Run) -> tuple[list[set[str]], set[str]]:
    """The choices of `base` that change something about another, with those that they change; and all that change."""
    there = base.places()
    joined: list[set[str]] = []
    for label, domain in base.asked.items():
        changed = {label}
        for value in domain.values():
            if value is not domain.default:
                now = run({label: value}).places()
                changed |= {other for other in (*there, *now) if there.get(other) != now.get(other)}
        if len(changed) == 1:
            continue
        apart = [group for group in joined if not group & changed]
        joined = [*apart, changed.union(*(group for group in joined if group & changed))]
    return joined, set().union(*joined) if joined else set()


def _probe(space: SearchSpace, run: Runner, names: str) -> None:
    """Compare what a space says with what the mutators do, on some samples."""
    rng = Random(0)
    for _ in range(PROBES):
        sample = space.random(rng)
        try:
            labels = run(sample).labels(sample)
        except SpaceError:
            raise
        except RaynasError as error:
            raise type(error)(f"{error} (with {dict(sample)})") from error
        for label in sorted(labels ^ set(sample)):
            raise GraphError(
                f"{names}: whether '{label}' is asked for hangs on a combination of other choices that changing them "
                "one by one does not show, and there are too many to try all: ask for it always, or make them one"
            )
