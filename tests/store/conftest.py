"""A store in each kind of database, and trials to put in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raynas.search_space import Sample
from raynas.store import Store
from raynas.trial import Cause, Report, Trial, TrialKey, TrialState

DATABASES = itertools.count()
DEFINITION = {"seed": 3, "space": '{"labels": []}'}


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


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a run can be begun: a file that is not there yet, or a database with nothing in it."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("path"))
    made: str = request.getfixturevalue("postgres").create(f"runs{next(DATABASES)}")
    return made


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.create(url, DEFINITION, "digits") as created:
        yield created


@pytest.fixture
def file_store(path: Path) -> Iterator[Store]:
    """A store in the file `path`."""
    with Store.create(path, DEFINITION, "digits") as created:
        yield created
