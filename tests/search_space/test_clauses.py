"""Shorter clauses say the same."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from raynas.search_space import Categorical, Condition, Value
from raynas.search_space.clauses import Clause, reduced

DOMAINS = {
    label: Categorical(label, candidates=values)
    for label, values in (("a", (0, 1)), ("b", (0, 1, 2)), ("c", ("x", "y")))
}


@st.composite
def clauses(draw: st.DrawFn) -> list[Clause]:
    def condition(label: str) -> Condition:
        values = DOMAINS[label].candidates
        return Condition(label, tuple(draw(st.lists(st.sampled_from(values), unique=True, max_size=3))))

    labels = st.lists(st.sampled_from(sorted(DOMAINS)), max_size=4)
    return [tuple(map(condition, draw(labels))) for _ in range(draw(st.integers(1, 6)))]


def holds(given: tuple[Clause, ...] | list[Clause], chosen: dict[str, Value]) -> bool:
    return any(all(c.holds(chosen) for c in clause) for clause in given)


@given(clauses())
def test_reduced_clauses_hold_where_the_given_ones_do(some: list[Clause]) -> None:
    short = reduced(some, DOMAINS)
    if short is None:
        assert all(map(_contradicts, some))
        return
    assert sum(map(len, short)) <= sum(map(len, some))
    samples = [
        dict(zip(DOMAINS, values, strict=True)) for values in itertools.product(*(d.values() for d in DOMAINS.values()))
    ]
    wanted = [holds(some, sample) for sample in samples]
    assert [not short or holds(short, sample) for sample in samples] == wanted


def _contradicts(clause: Clause) -> bool:
    """Whether conditions on one label exclude each other."""
    labels = {c.label for c in clause}
    return any(not set.intersection(*(set(c.values) for c in clause if c.label == label)) for label in labels)


def test_what_covers_everything_is_no_condition() -> None:
    first, second = Condition("a", (0,)), Condition("a", (1,))
    assert reduced([(first,), (second,)], DOMAINS) == ()
    x = Condition("c", ("x",))
    assert reduced([(first, x), (second, x)], DOMAINS) == ((x,),)
    assert reduced([(first,), (first, x)], DOMAINS) == ((first,),)
