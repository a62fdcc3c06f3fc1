"""Texts are equal exactly where values are."""

from hypothesis import given
from hypothesis import strategies as st

from raynas.graph import Unit
from raynas.graph.texts import text_of

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([-1.0, 0.0, -0.0, 1.0]), st.text("1a'"))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", "1", 1, "None", None, "a=1,b", "(2,)", (2,)]), inner, max_size=2),
    ),
    max_leaves=4,
)


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return repr(left) == repr(right)


@given(VALUES, VALUES)
def test_two_values_have_one_text_exactly_if_they_are_equal(left, right):
    assert (text_of(left) == text_of(right)) == same(left, right)


def test_a_key_is_told_from_its_name():
    assert len({text_of({key: 1}) for key in (1, "1", None, "None", (2,), "(2,)")}) == 6
    assert text_of({"a=1,'b'": 1}) != text_of({"a": 1, "b": 1}) != text_of({"a=1,b": 1})


@given(st.lists(VALUES, max_size=2), st.lists(VALUES, max_size=2))
def test_so_have_two_units(left, right):
    one, other = Unit("torch.nn.Linear", tuple(left)), Unit("torch.nn.Linear", tuple(right))
    assert (one.text == other.text) == same(left, right)
    assert Unit("torch.nn.Linear", (), {"a": one}).text != Unit("torch.nn.Linear", (one,)).text
