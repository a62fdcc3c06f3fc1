"""Trials so short that many of them share a task, in a whole search."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray_jobs
import tiny

from raynas import Experiment, Result, TrialState
from raynas.evaluator import FunctionalEvaluator
from raynas.trial import Cause

DEADLY, HANGING = 150, 170


def search(folder: Path, function: Any, trials: int, arguments: dict[str, Any], **changes: Any) -> Result:
    settings: dict[str, Any] = {"objective": "score", "replicates": 4, "name": "run", "storage_path": folder, **changes}
    evaluator = FunctionalEvaluator(function, **arguments)
    return Experiment(tiny.Tiny(), evaluator, "random", max_trials=trials, **settings).run()


@pytest.mark.ray
def test_what_goes_wrong_costs_only_the_trial_that_it_went_wrong_in(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = {"log": str(log), "deadly": DEADLY, "hanging": HANGING}
    result = search(tmp_path, ray_jobs.note, 200, arguments, trial_timeout=10.0)
    trials = {trial.number: trial for trial in result.trials}
    dead, late = trials.pop(DEADLY), trials.pop(HANGING)
    assert (dead.state, dead.cause, dead.attempts) == (TrialState.FAILED, Cause.WORKER_DIED, 2)
    assert (late.state, late.cause, late.attempts) == (TrialState.FAILED, Cause.TIMEOUT, 1)
    assert len(trials) == 198
    assert {(trial.state, trial.attempts) for trial in trials.values()} == {(TrialState.FINISHED, 1)}
    begun = Counter(int(line.split()[0]) for line in log.read_text().splitlines())
    assert begun.pop(DEADLY) == 2 and set(begun.values()) == {1} and len(begun) == 199


@pytest.mark.ray
def test_each_report_is_judged(tmp_path: Path) -> None:
    for trial in search(tmp_path, ray_jobs.report_twice, 120, {}, stopper=ray_jobs.StopSeventh()).trials:
        stopped = trial.number % 7 == 0
        assert trial.state is (TrialState.STOPPED if stopped else TrialState.FINISHED)
        assert len(trial.reports) == (1 if stopped else 2) and trial.attempts == 1
