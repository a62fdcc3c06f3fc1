import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.search_space import Sample

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=5,
)
MAPPINGS = st.dictionaries(st.text(), PLAIN, max_size=5)


@given(MAPPINGS)
def test_round_trip_through_json(values: dict[str, object]) -> None:
    sample = Sample(values)
    again = Sample.from_json(sample.to_json())
    assert again == sample
    assert hash(again) == hash(sample)
    assert dict(again) == values
    assert again.to_json() == sample.to_json()


@given(MAPPINGS)
def test_order_does_not_matter(values: dict[str, object]) -> None:
    backwards = Sample(dict(reversed(values.items())))
    assert backwards == Sample(values)
    assert hash(backwards) == hash(Sample(values))


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, True), (0.0, False), (None, "null"), ((1,), (True,))])
def test_equal_means_exactly_equal(left: object, right: object) -> None:
    assert Sample({"a": left}) != Sample({"a": right})
    assert len({Sample({"a": left}), Sample({"a": right})}) == 2


def test_lists_become_tuples() -> None:
    assert Sample({"kernel": [3, [5]]})["kernel"] == (3, (5,))


def test_it_is_no_dict() -> None:
    assert Sample({"a": 1}) != {"a": 1}


def test_it_keeps_what_it_was_given() -> None:
    values = {"a": 1}
    sample = Sample(values)
    values["a"] = 2
    assert sample["a"] == 1


def test_replaced_is_a_copy() -> None:
    sample = Sample({"stem.width": 8, "depth": 1})
    assert sample.replaced(**{"stem.width": 16}) == Sample({"stem.width": 16, "depth": 1})
    assert sample["stem.width"] == 8


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_equal(copied: object) -> None:
    sample = Sample({"a": (1, 2), "b": None})
    hash(sample)
    assert callable(copied)
    assert copied(sample) == sample
