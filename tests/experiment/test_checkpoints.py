"""What a trial leaves behind: for its own next attempt, and for others to start from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import rungs
import tiny

from raynas import Experiment, Result, TrialState
from raynas.engine.checkpoint import load_state
from raynas.evaluator import FunctionalEvaluator
from raynas.evaluator.lightning import Classification

ENGINES = ["local", pytest.param("ray", marks=pytest.mark.ray)]


def states(result: Result) -> list[str]:
    folder = Path(result.place.artifacts, "states")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def two_rungs(folder: Path, engine: str, **changes: Any) -> Result:
    evaluator = Classification(data=rungs.digits, max_epochs=4, scheduler="cosine", learning_rate=1e-2, batch_size=64)
    settings: dict[str, Any] = {"max_trials": 5, "resources": {"num_cpus": 2}, "name": "run", **changes}
    return Experiment(rungs.Small(), evaluator, rungs.TwoRungs(), engine=engine, storage_path=folder, **settings).run()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_promoted_trial_is_the_training_that_goes_on(tmp_path: Path, engine: str) -> None:
    result = two_rungs(tmp_path, engine, keep_weights=2)
    low, promoted, whole, other = result.trials
    assert promoted.warm_start == 0 and promoted.twin is None and whole.twin is None
    assert promoted.metrics == whole.metrics and low.metrics != whole.metrics
    assert [report.step for report in promoted.reports] == [2, 3], "what the parent had done was not done again"
    assert promoted.reports == whole.reports[2:]
    weights = [result.trial(number).load().state_dict() for number in (1, 2)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    assert states(result) == ["0.pt", "1.pt", "2.pt"], "the parent's and the best ones'"
    assert load_state(result.place.artifacts, "states/0.pt")["epoch"] == 2
    assert not result.trial(other.number).has_weights


def test_a_run_that_goes_on_starts_from_what_an_earlier_start_left(tmp_path: Path) -> None:
    two_rungs(tmp_path, "local", max_trials=1)
    _, promoted, whole, _ = two_rungs(tmp_path, "local").trials
    assert promoted.metrics == whole.metrics and promoted.reports == whole.reports[2:]


def stepping(folder: Path, engine: str, how: str, trials: int) -> Experiment:
    evaluator = FunctionalEvaluator(rungs.step_and_die, log=str(folder / "log"), how=how)
    settings: dict[str, Any] = {"objective": "score", "max_trials": trials, "resources": {"num_cpus": 2}, "name": "run"}
    return Experiment(tiny.Tiny(), evaluator, "random", engine=engine, storage_path=folder, **settings)


def steps(folder: Path) -> Counter[tuple[int, int]]:
    lines = (folder / "log").read_text().splitlines()
    return Counter((int(line.split()[0]), int(line.split()[1])) for line in lines)


@pytest.mark.ray
def test_an_attempt_whose_worker_dies_is_gone_on_with(tmp_path: Path) -> None:
    result = stepping(tmp_path, "ray", "exit", 1).run()
    assert [(t.state, t.attempts) for t in result.trials] == [(TrialState.FINISHED, 2)]
    assert steps(tmp_path) == Counter({(0, step): 1 for step in range(4)}), "no step was done twice"
    assert states(result) == ["0.pt"]


def test_an_attempt_that_a_start_did_not_end_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            stepping(tmp_path, "local", "interrupt", 3).run()
    result = stepping(tmp_path, "local", "interrupt", 3).run()
    assert [t.state for t in result.trials] == [TrialState.FINISHED] * 3
    assert steps(tmp_path) == Counter({(number, step): 1 for number in range(3) for step in range(4)})
    assert states(result) == [f"{result.best.number}.pt"]
