"""Every strategy in a real search, in this process: recorded, made again from its record, resumed, refused in time."""

from pathlib import Path
from typing import Any

import pytest
import tiny

from raynas import ConfigError, Experiment, FunctionalEvaluator, plugins

NAMES = [entry.name for entry in plugins.registered()]


def experiment(folder: Path, strategy: Any, **changes: Any) -> Experiment:
    settings = {"objective": "score", "max_trials": 14, "name": "run", "storage_path": folder, "engine": "local"}
    return Experiment(tiny.Tiny(), FunctionalEvaluator(tiny.judge), strategy, **{**settings, **changes})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "gp"])
def test_a_search_with_it_ends_where_an_interrupted_one_does(tmp_path: Path, name: str) -> None:
    whole = experiment(tmp_path / "whole", name).run()
    for trials in (5, 14):
        resumed = experiment(tmp_path, name, max_trials=trials).run()
    told = [[(t.sample, t.budget, t.warm_start, t.note, t.metrics) for t in r.trials] for r in (whole, resumed)]
    assert told[0] == told[1]
    assert len(whole.trials) >= 14
    assert not any("weights" in trial.message for trial in whole.trials), "what it starts from was kept"


@pytest.mark.parametrize("name", ["asha", "hyperband", "bohb", "pbt"])
def test_promotions_start_from_weights(tmp_path: Path, name: str) -> None:
    result = experiment(tmp_path, name, max_trials=30).run()
    assert any(trial.warm_start is not None and trial.trained for trial in result.trials)


@pytest.mark.parametrize(
    ("strategy", "given", "words"),
    [
        ("regularized_evolution", {"population_size": 15}, "cannot fill population_size=15 in a search of 14 trials"),
        ("pbt", {"explore": ["rate"]}, "pbt cannot explore 'rate'"),
    ],
)
def test_refused_before_a_run_is_begun(tmp_path: Path, strategy: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        experiment(tmp_path, strategy, strategy_arguments=given).run()
    assert not (tmp_path / "run").exists()


def test_several_objectives(tmp_path: Path) -> None:
    result = experiment(tmp_path, "aging_pareto", objective={"score": "max", "parameters": "min"}, max_trials=20).run()
    front = result.pareto()
    assert 1 <= len(front) < 20
    for one in front:
        for other in result.top(20):
            better = other.metrics["score"] >= one.metrics["score"]
            assert not (better and other.metrics["parameters"] < one.metrics["parameters"])
    volumes = result.hypervolume({"score": 0.0, "parameters": 1000.0})
    assert volumes == sorted(volumes) and volumes[-1] > 0
    assert result.hypervolume()[-1] >= 0
    with pytest.raises(ConfigError, match="no value of 'parameters'"):
        result.hypervolume({"score": 0.0})


@pytest.mark.parametrize("stopper", ["median", "plateau"])
def test_stoppers_by_name(tmp_path: Path, stopper: str) -> None:
    folder = tmp_path
    settings: dict[str, Any] = {"objective": "score", "max_trials": 20, "storage_path": folder, "engine": "local"}
    given = {"min_trials": 3} if stopper == "median" else {"patience": 1, "min_delta": 10.0}
    evaluator = FunctionalEvaluator(tiny.judge_with_reports)
    result = Experiment(
        tiny.Tiny(), evaluator, "random", stopper=stopper, stopper_arguments=given, name="run", **settings
    ).run()
    states = {str(trial.state) for trial in result.trials}
    assert "stopped" in states
    for trial in result.trials:
        if str(trial.state) == "stopped":
            assert trial.metrics == trial.reports[-1].metrics
