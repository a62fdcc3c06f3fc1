import math
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import SampleError, SpaceError
from raynas.search_space import DomainLeaf, Expression, Leaf, Uniform
from raynas.search_space.expression import defaults, evaluate, leaves

Pair = namedtuple("Pair", "left right")

WIDTH = Leaf([8, 16, 32], label="width")
DEPTH = Leaf([1, 2], label="depth")


@pytest.mark.parametrize(
    "function",
    [
        lambda w, d: w + d,
        lambda w, d: 3 + w - d,
        lambda w, d: 100 - w * 2,
        lambda w, d: 2 * w / d,
        lambda w, d: w // d + 64 // w,
        lambda w, d: 100 / w,
        lambda w, d: w % 3 + 100 % w,
        lambda w, d: d**2 + 2**d,
        lambda w, d: -w + +d,
        lambda w, d: abs(d - w),
        lambda w, d: round(w / 3) + round(w / 3, 1),
        lambda w, d: math.ceil(w / 3) + math.floor(w / 3),
        lambda w, d: (w == 16) + (w != 8) + (d < 2) + (d <= 1) + (w > 8) + (w >= 8),
    ],
)
@given(width=st.sampled_from([8, 16, 32]), depth=st.sampled_from([1, 2]))
def test_arithmetic_is_that_of_the_values(function: Callable[[Any, Any], Any], width: int, depth: int) -> None:
    expression = function(WIDTH, DEPTH)
    assert isinstance(expression, Expression)
    sample = {"width": width, "depth": depth}
    assert expression.evaluate(sample) == function(width, depth)
    assert type(expression.evaluate(sample)) is type(function(width, depth))
    assert defaults(expression) == function(8, 1)


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("min", (WIDTH, 10), 10),
        ("max", (WIDTH, DEPTH, 3), 16),
        ("int", (WIDTH / 3,), 5),
        ("float", (WIDTH,), 16.0),
        ("str", (WIDTH,), "16"),
        ("not", (WIDTH > 8,), False),
        ("and", (WIDTH > 8, DEPTH), 2),
        ("or", (WIDTH > 99, DEPTH), 2),
        ("if", (WIDTH > 8, "wide", "narrow"), "wide"),
        ("getitem", ({16: "a"}, WIDTH), "a"),
    ],
)
def test_functions(name: str, args: tuple[Any, ...], value: object) -> None:
    assert Expression(name, *args).evaluate({"width": 16, "depth": 2}) == value


def test_what_python_leaves_unevaluated_is_not_evaluated() -> None:
    inner = Leaf([3, 5], label="kernel")  # counts in one branch only
    chosen = Expression("if", WIDTH > 8, inner, 0)
    assert chosen.evaluate({"width": 8}) == 0
    assert chosen.evaluate({"width": 16, "kernel": 5}) == 5
    assert Expression("and", WIDTH > 8, inner).evaluate({"width": 8}) is False
    assert Expression("or", WIDTH > 8, inner).evaluate({"width": 16}) is True
    assert defaults(Expression("if", WIDTH > 8, WIDTH // 0, 1)) == 1
    with pytest.raises(SampleError, match="leaves out 'kernel'"):
        chosen.evaluate({"width": 16})


def test_indexing() -> None:
    shapes = Leaf([(1, 2), (3, 4)], label="shape")
    assert shapes[1].evaluate({"shape": (3, 4)}) == 4
    assert defaults(shapes[0] * 10) == 10


def test_a_leaf_stands_in_samples_by_name_where_it_is_no_data() -> None:
    leaf = Leaf([int, math.floor, "text", [1, 2]], label="kind")
    assert leaf.tokens == ("int", "floor", "text", (1, 2))
    assert leaf.evaluate({"kind": "int"}) is int
    assert leaf.evaluate({"kind": (1, 2)}) == [1, 2]


def test_values_are_told_apart_exactly() -> None:
    leaf = Leaf([1, 1.0, True], label="rate")
    assert [type(leaf.evaluate({"rate": value})) for value in (1, 1.0, True)] == [int, float, bool]


def test_what_has_no_lasting_name_is_refused() -> None:
    with pytest.raises(SpaceError, match="has no name that lasts: choose among plain values, classes or functions"):
        Leaf([object(), 1], label="thing")
    with pytest.raises(SpaceError, match="has no name that lasts"):
        Leaf([{"a", "b"}], label="thing")


def test_candidates_that_would_be_called_the_same_are_refused() -> None:
    with pytest.raises(
        SpaceError, match=r"choice 'act' \(.*test_expression.py:\d+\) has the candidate \".*<lambda>\" twice"
    ):
        Leaf([lambda x: x, lambda x: -x], label="act")


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda w: bool(w > 3), "cannot be used as a bool, because its value is not chosen yet: write LayerChoice"),
        (lambda w: range(w), "cannot be used as a range or index.*: write Repeat"),
        (lambda w: list(w), "cannot be used as a sequence.*: index it"),
        (lambda w: len(w), "cannot be used as a sequence"),
        (lambda w: int(w), "cannot be used as an int.*: write ValueChoice.to_int"),
        (lambda w: float(w), "cannot be used as a float.*: write ValueChoice.to_float"),
        (lambda w: w in [1, 2], "cannot be used as a bool"),
        (lambda w: [1, 2][w], "cannot be used as a range or index"),
        (lambda w: Expression("eval", w), "an expression cannot apply 'eval': it knows add"),
    ],
)
def test_early_use_is_refused_with_the_cure(use: Callable[[Expression], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        use(WIDTH)


def test_failing_arithmetic_names_the_choices() -> None:
    with pytest.raises(
        SampleError, match=r"has no value .ZeroDivisionError.* change the candidates of 'width', 'depth'"
    ):
        (WIDTH / (DEPTH - 1)).evaluate({"width": 8, "depth": 1})


def test_missing_and_foreign_values_are_refused() -> None:
    with pytest.raises(SampleError, match=r"leaves out 'width' \(.*test_expression.py:\d+\): give it one of 8, 16, 32"):
        (WIDTH * 2).evaluate({})
    with pytest.raises(SampleError, match=r"sets 'width' \(.*\) to 8.0: give it one of 8, 16, 32"):
        WIDTH.evaluate({"width": 8.0})
    with pytest.raises(SpaceError, match="has no label yet: give it one"):
        Leaf([1, 2]).evaluate({})


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ([WIDTH, 1], [16, 1]),
        ((WIDTH, (DEPTH,)), (16, (2,))),
        ({"a": WIDTH * DEPTH}, {"a": 32}),
        ({"a": [WIDTH]}, {"a": [16]}),
        (slice(None, WIDTH, DEPTH), slice(None, 16, 2)),
        (Pair(WIDTH, 0), Pair(16, 0)),
        (OrderedDict(a=WIDTH), OrderedDict(a=16)),
        (defaultdict(list, a=WIDTH), defaultdict(list, a=16)),
        ("text", "text"),
    ],
)
def test_containers_are_filled(value: Any, filled: Any) -> None:
    result = evaluate(value, {"width": 16, "depth": 2})
    assert result == filled
    assert type(result) is type(filled)
    assert set(leaves(value)) <= {WIDTH, DEPTH}
    assert len(list(leaves(defaults(value)))) == 0


def test_leaves_stand_in_order_as_often_as_they_do() -> None:
    assert [leaf.label for leaf in leaves([WIDTH * DEPTH, {"k": WIDTH}])] == ["width", "depth", "width"]


@pytest.mark.parametrize("use", [str, "{}".format, "{:>4}".format, print, lambda width: f"conv{width * 2}"])
def test_a_choice_is_no_text_yet(use: Any) -> None:
    with pytest.raises(
        SpaceError, match=r"test_expression\.py:\d+: .* cannot be used as a text, .*: choose among texts"
    ):
        use(WIDTH)
    assert "8, 16, 32" in repr(WIDTH)


def test_numbers_and_texts_of_numpy_are_pythons_own() -> None:
    for values in (np.arange(8, 25, 8), np.float32([0.5, 1.0]), np.array(["a", "b"]), [np.True_, np.float64(2)]):
        leaf = Leaf(list(values), "x")
        assert list(map(type, leaf.candidates)) == [type(value.item()) for value in values]
        assert Leaf(values, "x").domain() == leaf.domain()
        assert leaf.evaluate({"x": leaf.tokens[1]}) == values[1]


@pytest.mark.parametrize("label", [3, "", ("a", "b"), b"a"])
def test_a_label_is_a_text(label: Any) -> None:
    for make in (lambda: Leaf([1, 2], label), lambda: DomainLeaf(Uniform("x", low=0.0, high=1.0), label)):
        with pytest.raises(SpaceError, match=r"test_expression\.py:\d+: a choice has the label .*: give a text"):
            make()
