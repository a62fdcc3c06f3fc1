"""Searches of spaces that mutators rewrite and whose choices are numbers: the actor makes the mutators anew."""

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from rewriting import Fill, Inside, Net, Skip

from raynas import Experiment, Result, TrialState, ValueChoice, trace
from raynas.evaluator import FunctionalEvaluator


def experiment(folder: Path, **changes: Any) -> Experiment:
    space = trace(Net(), mutators=[Fill(), Skip(), Inside()])
    scale = ValueChoice.loguniform(0.1, 10.0, label="scale")
    settings: dict[str, Any] = {
        "strategy": "regularized_evolution",
        "strategy_arguments": {"population_size": 5, "tournament_size": 2},
        "objective": "score",
        "max_trials": 12,
        "name": "run",
        "storage_path": folder,
        "engine": "local",
    }
    return Experiment(space, FunctionalEvaluator(tiny.judge, scale=scale), **{**settings, **changes})


def check(result: Result) -> None:
    trials = list(result.trials)
    assert [trial.state for trial in trials] == [TrialState.FINISHED] * 12
    assert all(0.1 <= trial.sample["scale"] <= 10.0 for trial in trials)  # type: ignore[operator]  # a float
    assert len({trial.sample["kind"] for trial in trials}) > 1
    assert "raynas" not in result.best.source
    assert result.best.load()(torch.zeros(1, 4)).shape == (1, 2)


def test_in_this_process(tmp_path: Path) -> None:
    check(experiment(tmp_path).run())


def test_resumes(tmp_path: Path) -> None:
    experiment(tmp_path, max_trials=5).run()
    again = experiment(tmp_path).run()
    check(again)
    whole = experiment(tmp_path / "whole").run()
    assert [dict(t.sample) for t in again.trials] == [dict(t.sample) for t in whole.trials]


@pytest.mark.ray
def test_in_ray(tmp_path: Path) -> None:
    check(experiment(tmp_path, engine="ray").run())
