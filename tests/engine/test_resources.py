from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas.engine import Resources
from raynas.errors import ConfigError


def test_one_cpu_is_the_default() -> None:
    assert Resources.parse({}) == Resources(1, 0, {})
    assert Resources.parse({"num_gpus": 0.25, "custom": {"tpu": 2}}) == Resources(1, 0.25, {"tpu": 2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gpus": 1}, "unknown key 'gpus'"),
        ({"num_cpus": "two"}, "num_cpus is 'two'"),
        ({"num_cpus": True}, "num_cpus is True"),
        ({"num_cpus": float("nan")}, "num_cpus is nan"),
        ({"num_gpus": -1}, "num_gpus is -1"),
        ({"num_gpus": 1.5}, "above 1 it must be a whole number"),
        ({"custom": ["tpu"]}, "custom is ['tpu']"),
        ({"custom": {"tpu": "x"}}, "tpu is 'x'"),
        ({"custom": {"GPU": 1}}, "custom names 'GPU': write num_gpus beside custom"),
        ({"custom": {"num_cpus": 2}}, "custom names 'num_cpus'"),
        ({"custom": {"": 2}}, "custom names ''"),
        ({"num_cpus": 0}, "takes nothing"),
    ],
)
def test_anything_else_is_an_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Resources.parse(values)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@given(
    need=st.fixed_dictionaries(
        {"num_cpus": st.sampled_from([0, 0.1, 0.25, 0.5, 1, 2, 3]), "num_gpus": st.sampled_from([0, 0.25, 1])}
    ),
    has=st.fixed_dictionaries({"num_cpus": st.integers(0, 8), "num_gpus": st.integers(0, 4)}),
)
def test_what_fits_fits_and_one_more_does_not(need: dict[str, float], has: dict[str, int]) -> None:
    if not any(need.values()):
        return
    count = Resources.parse(need).fits(has)
    assert all(count * need[key] <= has[key] + 1e-6 for key in need)
    assert any((count + 1) * need[key] > has[key] + 1e-6 for key in need if need[key])


def test_what_is_not_offered_does_not_fit() -> None:
    assert Resources(1, 0, {"tpu": 1}).fits({"num_cpus": 8}) == 0


def test_threads_are_whole() -> None:
    assert (Resources(0.5).threads, Resources(1).threads, Resources(3).threads) == (1, 1, 3)
