"""Domains of numbers: what is drawn lies inside, another value is another, no list where there is none."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import SpaceError
from raynas.nn import ValueChoice
from raynas.search_space import Categorical, Condition, Domain, IntUniform, SearchSpace, Uniform

FLOATS = st.floats(1e-8, 1e8)
INTS = st.integers(1, 10**6)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    log = draw(st.booleans())
    if draw(st.booleans()):
        low, high = sorted(draw(st.tuples(FLOATS, FLOATS).filter(lambda pair: pair[0] != pair[1])))
        return Uniform("x", low=low if log else -low, high=high, log=log)
    low, high = sorted(draw(st.tuples(INTS, INTS)))
    return IntUniform("x", low=low if log else -low, high=high, log=log)


@given(domains(), st.integers(0, 1000))
def test_what_is_drawn_lies_inside(domain: Domain, seed: int) -> None:
    rng = Random(seed)
    assert domain.contains(domain.default)
    value = domain.random(rng)
    assert domain.contains(value)
    if domain.size() != 1:
        other = domain.other(value, rng)
        assert domain.contains(other) and other != value


@given(domains(), st.integers(0, 1000))
def test_mutating_gives_another_sample_of_the_space(domain: Domain, seed: int) -> None:
    space, rng = SearchSpace([domain]), Random(seed)
    sample = space.random(rng)
    mutated = space.mutate(sample, rng)
    assert (mutated is None) == (domain.size() == 1)
    if mutated is not None:
        assert mutated != sample and space.contains(mutated)


@given(domains())
def test_comes_back_from_json(domain: Domain) -> None:
    space = SearchSpace([Categorical("a", candidates=(1, 2)), domain])
    again = SearchSpace.from_json(space.to_json())
    assert again == space and again.domains == space.domains


@pytest.mark.parametrize("value", [0.5, True, "1", 0, 5, None, float("nan")])
def test_an_int_domain_contains_whole_numbers_inside_only(value: object) -> None:
    assert not IntUniform("x", low=1, high=4).contains(value)


@pytest.mark.parametrize("value", [1, True, "1.0", -0.1, 1.1, float("nan"), float("inf")])
def test_a_float_domain_contains_floats_inside_only(value: object) -> None:
    assert not Uniform("x").contains(value)


def test_an_int_is_another_uniformly_however_it_was() -> None:
    domain, rng = IntUniform("x", low=1, high=4), Random(0)
    drawn = [domain.other(2, rng) for _ in range(3000)]
    assert {value: drawn.count(value) > 850 for value in set(drawn)} == {1: True, 3: True, 4: True}


def test_log_means_that_each_order_of_magnitude_is_as_likely() -> None:
    rng = Random(0)
    rates = [Uniform("x", low=1e-4, high=1.0, log=True).random(rng) for _ in range(4000)]
    assert all(850 < sum(10.0**-k > rate >= 10.0 ** (-k - 1) for rate in rates) < 1150 for k in range(4))  # type: ignore[operator]  # floats
    units = [IntUniform("x", low=1, high=1023, log=True).random(rng) for _ in range(4000)]
    assert 300 < sum(unit == 1 for unit in units) < 500
    assert 300 < sum(unit >= 512 for unit in units) < 500  # type: ignore[operator]  # ints


def test_a_space_with_whole_numbers_is_counted_and_listed() -> None:
    space = SearchSpace(
        [
            IntUniform("depth", low=0, high=3),
            IntUniform("units", ((Condition("depth", (1, 2, 3)),),), low=1, high=10**12),
        ]
    )
    assert space.size() == 1 + 3 * 10**12
    small = SearchSpace([IntUniform("depth", low=0, high=3), Categorical("a", candidates=(1, 2))])
    assert [sample["depth"] for sample in small.grid()] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_continuous_space_has_no_size_and_no_grid() -> None:
    space = SearchSpace([Categorical("a", candidates=(1, 2)), Uniform("rate")])
    assert space.size() is None
    with pytest.raises(SpaceError, match="'rate' is continuous, so its values cannot be listed: give it a list"):
        next(space.grid())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ValueChoice.uniform(1.0, 0.0, label="x"), r"'x' \(.*test_numeric.py:\d+\) goes from 1.0 to 0.0"),
        (lambda: ValueChoice.uniform(1.0, 1.0, label="x"), "is always 1.0: write that number"),
        (lambda: ValueChoice.uniform(0.0, float("inf"), label="x"), "goes from 0.0 to inf"),
        (lambda: ValueChoice.loguniform(0.0, 1.0, label="x"), "is log-uniform from 0.0: begin above zero"),
        (lambda: ValueChoice.randint(1, 2.5, label="x"), "has the bound 2.5: give a whole number"),  # type: ignore[arg-type]  # the mistake
        (lambda: ValueChoice.randint(0, 8, label="x", log=True), "is log-uniform from 0: begin above zero"),
        (lambda: ValueChoice.uniform("0", 1.0, label="x"), "has the bound '0': give a number"),  # type: ignore[arg-type]  # the mistake
    ],
)
def test_bounds_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()  # type: ignore[operator]  # a lambda


def test_the_table_tells_values_and_conditions() -> None:
    space = SearchSpace(
        [
            Categorical("op", candidates=("conv", "pool")),
            IntUniform("width", ((Condition("op", ("conv",)),),), low=1, high=64, log=True),
            Uniform("dropout", low=0.0, high=0.5),
        ]
    )
    assert space.describe().splitlines() == [
        "choice   values                                    counts when",
        "-------  ----------------------------------------  -----------",
        "op       'conv', 'pool'                            always",
        "width    a whole number from 1 to 64, log-uniform  op is conv",
        "dropout  a float from 0.0 to 0.5                   always",
        "3 choices, endless samples",
    ]
