"""Trials that take too long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import rungs
import tiny

from raynas import ConfigError, Experiment, TrialState
from raynas.evaluator import FunctionalEvaluator
from raynas.trial import Cause


def experiment(folder: Path, function: Any, arguments: dict[str, Any], **changes: Any) -> Experiment:
    settings: dict[str, Any] = {
        "objective": "score",
        "max_trials": 3,
        "name": "run",
        "storage_path": folder,
        "resources": {"num_cpus": 2},
        **changes,
    }
    return Experiment(tiny.Tiny(), FunctionalEvaluator(function, **arguments), "random", **settings)


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # A process that has ended stays listed until its parent has asked for its status.
    return ") Z " in Path(f"/proc/{process}/stat").read_text()


@pytest.mark.ray
def test_a_worker_that_never_comes_back_is_ended_and_its_slot_is_free(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = experiment(tmp_path, rungs.hang, {"log": str(log)}, trial_timeout=10.0).run()
    hung, *others = result.trials
    assert (hung.state, hung.cause, hung.attempts) == (TrialState.FAILED, Cause.TIMEOUT, 1)
    assert [t.metrics for t in others] == [{"score": 1.0}, {"score": 2.0}]
    workers = {int(line.split()[0]): int(line.split()[1]) for line in log.read_text().splitlines()}
    assert workers[1] != workers[0] and gone(workers[0])


def test_in_this_process_a_report_ends_it(tmp_path: Path) -> None:
    result = experiment(tmp_path, rungs.report_for_ever, {}, engine="local", trial_timeout=0.2).run()
    late, *others = result.trials
    assert (late.state, late.cause) == (TrialState.FAILED, Cause.TIMEOUT) and late.seconds < 10
    assert [t.state for t in others] == [TrialState.FINISHED] * 2


def test_a_run_that_goes_on_may_have_another_limit(tmp_path: Path) -> None:
    experiment(tmp_path, tiny.judge, {}, engine="local", trial_timeout=60).run()
    result = experiment(tmp_path, tiny.judge, {}, engine="local", max_trials=4, trial_timeout=30.5).run()
    assert len(result.trials) == 4 and result.definition.trial_timeout == 30.5


def test_no_time_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trial_timeout is 0: give a number from 0\.001"):
        experiment(tmp_path, tiny.judge, {}, trial_timeout=0)
