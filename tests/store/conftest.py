"""A store, its epoch, and trials to put in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raynas.search_space import Sample
from raynas.store import Store
from raynas.trial import Cause, Report, Trial, TrialKey, TrialState


def trial(number: int, **changes: Any) -> Trial:
    """A finished trial of the digits example's size, with these fields changed."""
    fields: dict[str, Any] = {
        "sample": Sample({"stem.width": 16, "stem.kernel": 3, "depth": 2, "blocks.0.op": "conv", "skip": (0, 1)}),
        "key": TrialKey(f"{number:064x}", "e" * 64, "c" * 64, budget=8.0),
        "state": TrialState.FINISHED,
        "metrics": {"val_accuracy": 1 / (number + 3), "val_loss": 0.1 + 0.2},
        "reports": tuple(Report(step, {"val_accuracy": step / 7, "val_loss": 1 / (step + 1)}) for step in range(8)),
        "attempts": 1,
        "order": number,
        "proposed": 1.7e9 + number / 3,
        "started": 1.7e9 + number / 3,
        "ended": 1.7e9 + number / 3 + 1,
        "seconds": 0.9,
        "weights": f"trials/{number}/weights.safetensors",
    }
    return Trial(number, **{**fields, **changes})


def failed(number: int, detail: str = "Traceback …\nValueError: no") -> Trial:
    return trial(
        number,
        state=TrialState.FAILED,
        metrics={},
        reports=(),
        weights=None,
        cause=Cause.EXCEPTION,
        message="ValueError: no",
        detail=detail,
    )


@pytest.fixture
def make() -> Callable[..., Trial]:
    return trial


@pytest.fixture
def make_failed() -> Callable[..., Trial]:
    return failed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.create(path, {"seed": 3, "space": '{"labels": []}'}, "digits") as created:
        yield created
