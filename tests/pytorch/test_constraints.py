"""Constraints: what a bound means, and what is no bound."""

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import ConfigError
from raynas.pytorch.constraints import check, validate
from raynas.pytorch.profiling import Profile, TensorSpec


def made(params: int = 0, flops: int = 0, activation_bytes: int = 0) -> Profile:
    return Profile(params, flops, activation_bytes, TensorSpec((1, 10), "float32"))


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("<=500k", 500_000),
        ("<= 1.5M", 1_500_000),
        ("<=2e6", 2_000_000),
        ("<=500_000", 500_000),
        (" <=3G ", 3_000_000_000),
        ("<=64KiB", 65_536),
        ("<=2 MB", 2_000_000),
    ],
)
def test_the_limit_itself_is_allowed_and_no_more(text: str, limit: int) -> None:
    assert check(made(limit), {"params": text}) is None
    assert check(made(limit + 1), {"params": text}) is not None


@given(
    sign=st.sampled_from(["<=", ">=", "<", ">", "=="]),
    limit=st.integers(0, 10**6),
    value=st.integers(0, 10**6) | st.none(),
)
def test_comparisons_are_pythons(sign: str, limit: int, value: int | None) -> None:
    value = limit if value is None else value
    compare = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "==": operator.eq}[sign]

    assert (check(made(value), {"params": f"{sign}{limit}"}) is None) == compare(value, limit)


def test_the_reason_names_number_and_bound() -> None:
    reason = check(made(620_000, 10), {"flops": "<=50M", "params": ">=10k, <=500k"})

    assert reason == "params is 620,000, not <=500k"


def test_macs_are_half_the_flops() -> None:
    assert check(made(flops=100), {"macs": "==50"}) is None


def test_functions_of_the_profile() -> None:
    assert check(made(3), {"odd": lambda profile: profile.params % 2}) is None
    assert check(made(4), {"odd": lambda profile: profile.params % 2}) == "odd does not hold"
    assert check(made(4), {"odd": lambda profile: "it has four"}) == "odd: it has four"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda profile: profile.size < 3,
            "constraint 'small' failed for Profile.* with AttributeError: .*size.*: correct",
        ),
        (lambda profile: print(end=""), "constraint 'small' gave None for Profile.*: return whether it holds"),
    ],
    ids=["failed", "forgot to return"],
)
def test_a_function_that_gives_no_answer_is_named(function: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(made(4), {"small": function})


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"param": "<=500k"}, "did you mean 'params'"),
        ({"latency": "<=5"}, "use one of params"),
        ({"params": "500k"}, "write one such as '<=500k'"),
        ({"params": "<=500q"}, "no bound"),
        ({"params": "<=500m"}, "no bound"),
        ({"params": "<=5i"}, "no bound"),
        ({"params": ""}, "no bound"),
        ({"params": 500}, "write a text"),
        (["params"], "no mapping"),
    ],
)
def test_what_is_no_constraint(constraints: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(constraints)


def test_valid_ones_pass() -> None:
    validate({"params": "<=1k", "wide": lambda profile: True})
