"""Evaluators that go wrong: each is an outcome of its trial, or an error before the search; the search goes on."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from raynas import Experiment, FunctionalEvaluator, ModelSpace, Result, ValueChoice
from raynas.errors import SerializationError
from raynas.trial import Cause, Trial, TrialState

BAD = ("none", "nothing", "nan", "text", "raises", "exits", "prints", "other")


class Space(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, ValueChoice(list(range(1, 11)), label="width"))

    def forward(self, x: Any) -> Any:
        return self.layer(x)


def score(model: Any, rate: str) -> Any:
    """Goes wrong as `rate` says, for odd widths."""
    width = model.layer.out_features
    if width % 2 == 0:
        return {"value": float(width)}
    if rate == "none":
        return None
    if rate == "nothing":
        return {}
    if rate == "other":
        return {"loss": 1.0}
    if rate == "nan":
        return {"value": math.nan}
    if rate == "text":
        return {"value": "good"}
    if rate == "raises":
        raise KeyError("no such thing")
    if rate == "exits":
        sys.exit(3)
    for number in range(300):
        print(f"{number:05}" + "x" * 20_000)
    raise ValueError("after all that")


EXPECTED: Mapping[str, tuple[Cause, str]] = {
    "none": (Cause.EXCEPTION, "None"),
    "nothing": (Cause.EXCEPTION, "the objective 'value' is not among what the evaluator returned"),
    "other": (Cause.EXCEPTION, "the objective 'value' is not among what the evaluator returned (loss)"),
    "nan": (Cause.NON_FINITE, "gave nan as 'value'"),
    "text": (Cause.EXCEPTION, "gave 'good' (str) as 'value'"),
    "raises": (Cause.EXCEPTION, "KeyError: 'no such thing'"),
    "exits": (Cause.EXCEPTION, "SystemExit: 3"),
    "prints": (Cause.EXCEPTION, "ValueError: after all that"),
}


def searched(kind: str, folder: Path, engine: str) -> Result:
    samples = [{"width": width} for width in range(2, 10)]  # a good one first: three bad ones would stop the search
    evaluator = FunctionalEvaluator(score, rate=kind)
    return Experiment(
        Space(),
        evaluator,
        "random",
        objective="value",
        max_trials=8,
        initial_samples=samples,
        name=kind,
        storage_path=folder,
        engine=engine,
        max_concurrent=1,  # so that a good one has ended before a bad one
    ).run()


def check(kind: str, trials: list[Trial]) -> None:
    cause, message = EXPECTED[kind]
    assert [trial.state is TrialState.FINISHED for trial in trials] == [True, False] * 4
    for trial in trials[1::2]:
        assert trial.cause is cause
        assert message in trial.message
        assert "\n" not in trial.message
        assert len(trial.detail) < 150_000
    if kind == "prints":
        assert "00299" in trials[1].detail
        assert "00100" not in trials[1].detail


@pytest.mark.parametrize("kind", BAD)
def test_here(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = searched(kind, tmp_path, "local")
    check(kind, result.trials)
    assert result.best.metrics == {"value": 8.0}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("kind", BAD)
def test_in_ray(kind: str, tmp_path: Path) -> None:
    result = searched(kind, tmp_path, "ray")
    check(kind, result.trials)
    assert result.best.metrics == {"value": 8.0}


class Locked:
    """A dataset that cannot be serialized."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def with_data(model: Any, data: Any) -> float:
    return 1.0


@pytest.mark.parametrize("make", [Locked, lambda: (number for number in range(3))])
def test_what_cannot_be_serialized_is_told_before_the_search(make: Callable[[], Any], tmp_path: Path) -> None:
    data = make()
    evaluator = FunctionalEvaluator(with_data, data={"train": [data]})
    with pytest.raises(SerializationError) as caught:
        Experiment(Space(), evaluator, "random", max_trials=1, name="x", storage_path=tmp_path).run()
    message = str(caught.value)
    kind = type(data).__name__
    assert message.startswith(f"data['train'][0] is a {kind}, which cannot be pickled")
    assert f"raynas.serialize({kind}, …)" in message
    assert "\n" not in message
    assert not (tmp_path / "x").exists()
