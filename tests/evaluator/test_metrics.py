import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raynas.errors import EvaluationError, NonFiniteError
from raynas.evaluator import checked

names = st.text(min_size=1, max_size=5)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
kinds = st.sampled_from([float, np.float32, np.float64, np.array, torch.tensor, lambda x: torch.tensor([x])])


@given(st.dictionaries(names, finite), st.data())
def test_numbers_of_every_kind_come_back_as_floats(metrics: dict[str, float], data: st.DataObject) -> None:
    kind = data.draw(kinds)
    given = {name: kind(value) for name, value in metrics.items()}
    found = checked(given, objectives=metrics)
    assert found == pytest.approx(metrics, rel=1e-6, abs=1e-37)
    assert list(found) == list(metrics)
    assert all(type(value) is float for value in found.values())


def test_ints_bools_and_trained_tensors_are_numbers() -> None:
    given = {"steps": 3, "ok": True, "loss": torch.tensor(0.5, requires_grad=True)}
    assert checked(given) == {"steps": 3.0, "ok": 1.0, "loss": 0.5}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, torch.tensor(math.nan), np.float32("inf")])
def test_what_is_not_finite_is_told_apart(bad: object) -> None:
    with pytest.raises(NonFiniteError, match="'loss'") as info:
        checked({"accuracy": 0.5, "loss": bad}, ["accuracy"])
    assert isinstance(info.value, EvaluationError)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("bad", ["0.9", b"1", None, [0.9], 1j, torch.zeros(2), np.zeros(3), {}, 10**400])
def test_what_is_no_number_names_the_metric_and_the_value(bad: object) -> None:
    with pytest.raises(EvaluationError, match="as 'accuracy': a metric is one number") as info:
        checked({"accuracy": bad})
    assert not isinstance(info.value, NonFiniteError)
    assert "\n" not in str(info.value)
    assert len(str(info.value)) < 200


@pytest.mark.parametrize("bad", [None, 0.9, "accuracy", [("accuracy", 0.9)], {1, 2}])
def test_what_is_no_mapping_is_shown(bad: object) -> None:
    with pytest.raises(EvaluationError, match="give a mapping"):
        checked(bad)


def test_a_missing_objective_is_named_beside_what_is_there() -> None:
    with pytest.raises(EvaluationError, match="gave no 'accuracy': it gave 'loss', 'f1'"):
        checked({"loss": 1.0, "f1": 0.2}, ["loss", "accuracy"])
    with pytest.raises(EvaluationError, match="gave no 'accuracy': it gave nothing"):
        checked({}, ["accuracy"])


def test_names_are_strings() -> None:
    with pytest.raises(EvaluationError, match="name is a str"):
        checked({3: 0.5})
