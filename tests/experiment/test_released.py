"""A run that an earlier raynas began goes on, on what that one wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import released

from raynas import Experiment, Result
from raynas.evaluator import FunctionalEvaluator
from raynas.store.sqlite import APPLICATION_ID

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("fixture", sorted(path.stem for path in FIXTURES.glob("run_*.sql")))
def test_a_run_of_every_released_schema_goes_on(fixture: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with closing(sqlite3.connect(tmp_path / "run" / "search.db")) as connection:
        connection.executescript((FIXTURES / f"{fixture}.sql").read_text())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    before = Result.open("run", tmp_path)
    assert len(before.trials) >= 5 and before.definition.trial_timeout is None
    after = Experiment(
        released.Net(),
        FunctionalEvaluator(released.judge),
        "regularized_evolution",
        strategy_arguments={"population_size": 5, "tournament_size": 2},
        objective="score",
        max_trials=10,
        trial_timeout=60.0,
        name="run",
        storage_path=tmp_path,
        engine="local",
    ).run()
    assert after.trials[: len(before.trials)] == before.trials
    assert sum(t.trained for t in after.trials) == 10
    assert after.definition.trial_timeout == 60.0
    assert after.trial(before.trials[0].number).source
