"""A whole search whose store is a PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
from postgres_server import PostgresServer

from raynas import Experiment, Result
from raynas.errors import RunMismatchError
from raynas.evaluator import FunctionalEvaluator


def experiment(folder: Path, store: str | None, **changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "strategy": "regularized_evolution",
        "strategy_arguments": {"population_size": 5, "tournament_size": 2},
        "objective": "score",
        "max_trials": 6,
        "name": "run",
        "storage_path": folder,
        "engine": "local",
        "store": store,
    }
    return Experiment(tiny.Tiny(), FunctionalEvaluator(tiny.judge_with_reports), **{**settings, **changes})


def told(result: Result) -> list[Any]:
    return [(t.number, dict(t.sample), t.state, dict(t.metrics), t.key, t.order, t.reports) for t in result.trials]


def test_a_search_in_a_server_is_that_in_a_file_and_goes_on(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.create("whole")
    experiment(tmp_path / "server", url).run()
    again = experiment(tmp_path / "server", url, max_trials=12).run()
    in_file = experiment(tmp_path / "file", None, max_trials=12).run()
    assert told(again) == told(in_file)
    assert not list((tmp_path / "server").rglob("search.db"))
    again.best.load()
    assert told(Result.open("run", tmp_path / "server", url)) == told(again)
    with pytest.raises(RunMismatchError, match="seed: 0 → 1"):
        experiment(tmp_path / "server", url, seed=1).run()
    other = experiment(tmp_path / "server", url, name="other", seed=1).run()
    assert other.best.source


def test_a_file_may_be_named_by_url_before_it_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    result = experiment(tmp_path, url).run()
    assert (tmp_path / "elsewhere.db").exists() and told(Result.open("run", tmp_path, url)) == told(result)
