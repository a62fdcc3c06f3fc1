import math
from random import Random

import pytest

from raynas.errors import SpaceError
from raynas.search_space import Categorical, Condition
from raynas.search_space.domain import same


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, True), (0, False), (0.0, -0.0), ((1,), (1.0,)), (None, 0)])
def test_values_are_told_apart_exactly(left: object, right: object) -> None:
    assert not same(left, right)
    assert same(left, left)
    assert not Categorical("c", candidates=(left,)).contains(right)
    assert not Condition("c", (left,)).holds({"c": right})
    assert Categorical("c", candidates=(left, right)).size() == 2


def test_not_a_number_is_itself() -> None:
    nan = float("nan")
    domain = Categorical("c", candidates=(math.nan, 1.0))
    assert domain.contains(nan)
    assert Condition("c", (math.nan,)).holds({"c": nan})
    assert {domain.other(nan, Random(seed)) for seed in range(20)} == {1.0}


def test_needs_candidates() -> None:
    with pytest.raises(SpaceError, match="choice 'width' has no candidates: give it at least one"):
        Categorical("width")


def test_refuses_a_candidate_twice() -> None:
    with pytest.raises(SpaceError, match="choice 'width' has the candidate 8 twice: leave one out"):
        Categorical("width", candidates=(8, 16, 8))


def test_other_is_never_the_same() -> None:
    domain = Categorical("rate", candidates=(1, 1.0, True))
    for seed in range(30):
        assert type(domain.other(1.0, Random(seed))) is not float


def test_other_needs_two_candidates() -> None:
    with pytest.raises(SpaceError, match="choice 'width' has one candidate only, so it cannot be changed"):
        Categorical("width", candidates=(8,)).other(8, Random(0))


def test_contains_takes_anything() -> None:
    domain = Categorical("width", candidates=(8, "8"))
    assert domain.contains(8)
    assert not any(map(domain.contains, (object(), {8}, [8], b"8", 8.0)))


def test_condition_needs_its_label_to_count() -> None:
    condition = Condition("op", ("conv", None))
    assert condition.holds({"op": "conv"})
    assert condition.holds({"op": None})
    assert not condition.holds({"op": "pool"})
    assert not condition.holds({})
