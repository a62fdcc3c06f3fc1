"""Experiments in this process: fast, and the same functions that run in Ray."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from raynas_strategies.random import RandomSearch

import raynas
from raynas import ConfigError, Experiment, RaynasError, Result, SearchSpace, TrialState, ValueChoice
from raynas.engine import ExecutionEngine, Job, Resources, Workplace
from raynas.engine.local_engine import LocalEngine
from raynas.errors import (
    PluginError,
    ResourceError,
    RunMismatchError,
    SampleError,
    SearchError,
    StoreError,
)
from raynas.evaluator import FunctionalEvaluator
from raynas.search import Progress
from raynas.trial import Cause

Make = Callable[..., Experiment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes small experiments under one folder."""

    def made(function: Any = tiny.judge, *, arguments: Mapping[str, Any] = {}, **changes: Any) -> Experiment:
        settings: dict[str, Any] = {
            "strategy": "random",
            "objective": "score",
            "max_trials": 6,
            "name": "run",
            "storage_path": tmp_path,
            "engine": "local",
        }
        return Experiment(tiny.Tiny(), FunctionalEvaluator(function, **arguments), **{**settings, **changes})

    return made


def told(result: Result) -> list[Any]:
    """All of a run that a seed decides."""
    return [(t.number, dict(t.sample), t.state, dict(t.metrics), t.key, t.order, t.message) for t in result.trials]


def test_a_search_finds_the_best_of_what_it_tried(make: Make, tmp_path: Path) -> None:
    seen: list[Progress] = []
    result = make().run(seen.append)
    assert len(result.trials) == 6 and all(t.state is TrialState.FINISHED for t in result.trials)
    best = result.best
    assert best.metrics["score"] == max(t.metrics["score"] for t in result.trials)
    assert [t.number for t in result.top(6)] == sorted(range(6), key=lambda n: -result.trials[n].metrics["score"])
    assert result.ending == "all of its 6 trials have ended"
    assert (seen[-1].done, seen[-1].total, seen[-1].running, seen[-1].failed) == (6, 6, 0, 0)
    assert seen[-1].best is not None and seen[-1].best.number == best.number and seen[-1].ended
    assert (tmp_path / "run" / "space.json").exists() and (tmp_path / "run" / "search.db").exists()


@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_the_number_of_parameters_is_an_objective_of_its_own(make: Make, engine: str) -> None:
    result = make(objective={"score": "max", "params": "min"}, engine=engine).run()
    for number in range(6):
        trial = result.trial(number)
        model = raynas.load_module(trial.source)
        assert trial.metrics["params"] == sum(parameter.numel() for parameter in model.parameters())
    assert len(result.pareto()) >= 1


def test_the_winner_comes_with_the_weights_it_was_judged_by(make: Make, tmp_path: Path) -> None:
    best = make().run().best
    model = best.load()
    assert type(model).__name__ == "Model"
    torch.manual_seed(0)
    first = float(model(torch.linspace(-1, 1, 12).reshape(3, 4)).square().mean().detach())
    assert abs(first - best.metrics["score"]) < 0.11, "the evaluator adds up to a tenth"
    best.export(tmp_path / "best.py", tmp_path / "best.safetensors")
    assert (tmp_path / "best.safetensors").stat().st_size > 0
    again = raynas.load_module((tmp_path / "best.py").read_text())
    again.load_state_dict(model.state_dict(), strict=True)


def test_only_the_weights_of_the_best_stay(make: Make, tmp_path: Path) -> None:
    result = make(keep_weights=2, max_trials=10).run()
    assert [t.has_weights for t in result.top(10)] == [True, True] + [False] * 8
    assert len(list((tmp_path / "run" / "artifacts" / "weights").iterdir())) == 2
    with pytest.raises(StoreError, match=r"those of the best 2 are.*keep_weights"):
        result.top(3)[2].load()


def test_no_weights_are_kept_where_nobody_wants_them(make: Make, tmp_path: Path) -> None:
    result = make(keep_weights=0).run()
    assert not result.best.has_weights and not (tmp_path / "run" / "artifacts" / "weights").exists()


@pytest.mark.parametrize("strategy", ["random", "grid", "regularized_evolution"])
def test_the_same_seed_gives_the_same_search(make: Make, strategy: str) -> None:
    first = make(strategy=strategy, name="a", max_trials=30).run()
    second = make(strategy=strategy, name="b", max_trials=30).run()
    assert told(first) == told(second)
    if strategy != "grid":
        other = make(strategy=strategy, name="c", max_trials=30, seed=1).run()
        assert [t.sample for t in other.trials] != [t.sample for t in first.trials]


def test_a_finished_run_trains_nothing(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = make(tiny.judge_and_tell, arguments={"log": str(log)}).run()
    before = (tmp_path / "run" / "search.db").read_bytes()
    again = make(tiny.judge_and_tell, arguments={"log": str(log)}).run()
    assert told(first) == told(again) and len(log.read_text().splitlines()) == 6
    assert (tmp_path / "run" / "search.db").read_bytes() == before


def test_a_run_goes_on_with_more_trials_as_if_it_had_never_stopped(make: Make, tmp_path: Path) -> None:
    whole = make(name="whole", max_trials=25, strategy="regularized_evolution").run()
    make(max_trials=9, strategy="regularized_evolution").run()
    result = make(max_trials=25, strategy="regularized_evolution", resources={"num_cpus": 1}).run()
    assert told(result) == told(whole)


def test_an_interrupted_run_goes_on_where_it_stopped(make: Make, tmp_path: Path) -> None:
    whole = make(name="whole", max_trials=20).run()
    attempts = itertools.count()

    class Interrupted(LocalEngine):
        def submit(self, job: Job) -> None:
            if next(attempts) == 7:
                raise KeyboardInterrupt
            super().submit(job)

    with pytest.raises(KeyboardInterrupt):
        make(max_trials=20, engine=Interrupted).run()
    assert sum(t.state is TrialState.FINISHED for t in make(max_trials=20).result().trials) == 7
    assert told(make(max_trials=20).run()) == told(whole)


def test_what_is_trained_is_the_text_and_nothing_else(make: Make) -> None:
    class Corrupt(LocalEngine):
        def submit(self, job: Job) -> None:
            assert job.source.count("Linear") >= 2
            super().submit(replace(job, source=job.source.replace("Linear", "Lineal", 1)) if job.trial == 1 else job)

    result = make(engine=Corrupt).run()
    assert [t.state for t in result.trials].count(TrialState.FAILED) == 1
    failed = result.trial(1).trial
    assert failed.cause is Cause.EXCEPTION and "Lineal" in failed.message and "Traceback" in failed.detail


def test_an_engine_of_ones_own_is_given_what_a_trial_takes(make: Make) -> None:
    given: list[tuple[Workplace, Resources]] = []

    def engine(place: Workplace, resources: Resources) -> ExecutionEngine:
        given.append((place, resources))
        return LocalEngine(place, resources)

    make(engine=engine, resources={"num_cpus": 2}).run()
    assert given[0][0].threads == 2 and given[0][1] == Resources(num_cpus=2)


def test_choices_of_the_evaluator_are_part_of_the_sample_and_reach_it(make: Make) -> None:
    result = make(arguments={"scale": ValueChoice([1.0, 100.0])}, max_trials=12).run()
    assert {t.sample["scale"] for t in result.trials} == {1.0, 100.0}
    for trial in result.trials:
        assert (trial.metrics["parameters"] >= 100) == (trial.sample["scale"] == 100.0)
    assert len({t.key.evaluator for t in result.trials}) == 2


def test_initial_samples_come_first(make: Make) -> None:
    sample = {"width": 5, "act": "tanh", "bias": False}
    result = make(initial_samples=[sample]).run()
    assert dict(result.trials[0].sample) == sample
    with pytest.raises(SampleError, match=r"initial_samples\[0\].*'width'"):
        make(name="other", initial_samples=[{**sample, "width": 99}]).run()


def test_a_stopper_ends_trials_with_what_they_reported(make: Make) -> None:
    result = make(
        tiny.judge_with_reports, stopper="tiny:StopBelow", stopper_arguments={"threshold": 0.05}, max_trials=20
    ).run()
    states = {t.state for t in result.trials}
    assert states == {TrialState.STOPPED, TrialState.FINISHED}
    for trial in result.trials:
        if trial.state is TrialState.STOPPED:
            assert len(trial.reports) == 2 and trial.metrics == trial.reports[-1].metrics
            assert trial.metrics["score"] < 0.05


def test_a_strategy_refuses_what_it_cannot_do_before_anything_starts(make: Make, tmp_path: Path) -> None:
    class Refusing(RandomSearch):
        def check(self, space: SearchSpace, objectives: Mapping[str, str], max_trials: int | None) -> None:
            raise ConfigError(f"{space.size()} {dict(objectives)} {max_trials}")

    with pytest.raises(ConfigError, match=r"64 \{'score': 'max'\} 6"):
        make(strategy=Refusing()).run()
    assert not (tmp_path / "run").exists()


def test_failures_are_recorded_and_the_search_goes_on(make: Make) -> None:
    result = make(tiny.judge_or_fail, max_trials=15).run()
    failed = [t for t in result.trials if t.state is TrialState.FAILED]
    assert failed and all(t.sample["act"] == "tanh" for t in failed)
    assert all(t.message == "ArithmeticError: no tanh, please" and "Traceback" in t.detail for t in failed)
    assert len(failed) + sum(t.has_result for t in result.trials) == 15


def test_a_search_whose_first_trials_all_fail_alike_stops_and_shows_the_traceback(make: Make) -> None:
    with pytest.raises(SearchError, match="the first 3 trials all failed with KeyError: 'x'") as caught:
        make(tiny.always_fail).run()
    assert "\n" not in str(caught.value)
    assert len(caught.value.__notes__) == 1 and 'raise KeyError("x")' in caught.value.__notes__[0]
    assert len(make(tiny.always_fail).result().trials) == 3


def test_a_search_without_any_result_says_why(make: Make) -> None:
    result = make(tiny.not_a_number).run()
    assert {t.cause for t in result.trials} == {Cause.NON_FINITE}
    with pytest.raises(SearchError, match=r"6 trials failed, 6 of them with NonFiniteError.*'score'"):
        _ = result.best


def test_an_unknown_objective_is_an_error_that_names_the_metrics(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"'accuracy' is not among .*score, parameters"):
        make(objective="accuracy").run()


def test_a_loss_is_not_made_large_by_accident(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"objective 'val_loss' .*: write \{'val_loss': 'min'\}"):
        make(objective="val_loss")
    assert make(objective={"val_loss": "max"}).objectives == {"val_loss": "max"}


def test_equal_candidates_are_trained_once(make: Make, tmp_path: Path) -> None:
    sample = {"width": 5, "act": "tanh", "bias": False}
    log = tmp_path / "log"
    settings: dict[str, Any] = {"arguments": {"log": str(log)}, "initial_samples": [sample] * 3, "max_trials": 2}
    result = make(tiny.judge_and_tell, **settings).run()
    assert [t.twin for t in result.trials] == [None, 0, 0, None]
    assert len(log.read_text().splitlines()) == 2
    result = make(tiny.judge_and_tell, **settings, dedup=False, name="every").run()
    assert [t.key.replicate for t in result.trials] == [0, 1]
    assert result.trials[0].metrics["score"] != result.trials[1].metrics["score"], "another seed each time"


def test_replicates_have_seeds_of_their_own(make: Make) -> None:
    result = make(replicates=2).run()
    first, second = result.trials[:2]
    assert first.sample == second.sample and first.metrics["score"] != second.metrics["score"]


def test_time_ends_a_search(make: Make) -> None:
    result = make(tiny.judge_slowly, arguments={"seconds": 0.4}, max_trials=None, max_time=2.4).run()
    assert 1 <= len(result.trials) <= 8 and "time" in result.ending


def test_the_smallest_can_be_the_best(make: Make) -> None:
    result = make(objective={"parameters": "min"}).run()
    assert result.best.metrics["parameters"] == min(t.metrics["parameters"] for t in result.trials)


def test_a_table_has_a_row_for_each_proposal(make: Make) -> None:
    pytest.importorskip("pandas")
    table = make().run().to_pandas()
    assert list(table["number"]) == list(range(6)) and {"score", "sample.width", "state"} <= set(table.columns)


DIFFERENT: dict[str, dict[str, Any]] = {
    "seed: 0 → 1": {"seed": 1},
    'strategy: "random" → "grid"': {"strategy": "grid"},
    'objectives.score: "max" → "min"': {"objective": {"score": "min"}},
    "keep_weights: 1 → 3": {"keep_weights": 3},
    "evaluator.scale: 1.0 → 2.0": {"arguments": {"scale": 2.0}},
}


@pytest.mark.parametrize("difference", DIFFERENT)
def test_a_run_that_was_begun_otherwise_is_left_untouched(make: Make, tmp_path: Path, difference: str) -> None:
    make(arguments={"scale": 1.0}).run()
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunMismatchError) as caught:
        make(**{"arguments": {"scale": 1.0}, "max_trials": 50, **DIFFERENT[difference]}).run()
    assert f"'run' was begun otherwise ({difference}" in str(caught.value)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_run_of_another_space_is_left_untouched(make: Make, tmp_path: Path) -> None:
    make().run()

    class Other(raynas.ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Linear(4, ValueChoice([1, 2], label="width"))

        def forward(self, x: torch.Tensor) -> Any:
            return self.first(x)

    experiment = make()
    other = Experiment(
        Other(), experiment.evaluator, "random", objective="score", name="run", storage_path=tmp_path, engine="local"
    )
    with pytest.raises(
        RunMismatchError, match=r"choice 'width' was one of .*8 → one of 1, 2; choice '(act|bias)' is gone"
    ):
        other.run()


BAD: list[tuple[dict[str, Any], type[RaynasError], str]] = [
    ({"strategy": "evolution"}, PluginError, "no strategy 'evolution'"),
    ({"strategy": "random", "strategy_arguments": {"size": 3}}, PluginError, "takes no argument 'size'"),
    ({"resources": {"cpus": 1}}, ConfigError, "unknown key 'cpus'"),
    ({"resources": {"num_cpus": -1}}, ConfigError, "num_cpus is -1"),
    ({"resources": {"num_cpus": 0}}, ConfigError, "takes nothing"),
    ({"max_trials": 0}, ConfigError, "max_trials is 0"),
    ({"resources": 3}, ConfigError, "resources is 3: give a mapping"),
    ({"constraints": "params"}, ConfigError, "constraints is 'params': give a mapping"),
    ({"constraints": {1: "<=2"}}, ConfigError, "constraints is {1: '<=2'}"),
    ({"initial_samples": {"width": 8}}, ConfigError, "initial_samples is {'width': 8}: give a list"),
    ({"initial_samples": [3]}, ConfigError, "initial_samples[0] is 3"),
    ({"dedup": "yes"}, ConfigError, "dedup is 'yes': give True or False"),
    ({"engine": 3}, ConfigError, "engine is 3"),
    ({"stopper_arguments": {"patience": 2}}, ConfigError, "no stopper"),
    ({"strategy_arguments": "seed"}, ConfigError, "the strategy's arguments are 'seed'"),
    ({"storage_path": None}, ConfigError, "storage_path is None"),
    ({"store": 3}, ConfigError, "store is 3"),
    ({"name": 3}, ConfigError, "3 cannot name a run"),
    ({"max_trials": 2.5}, ConfigError, "max_trials is 2.5"),
    ({"max_time": -1}, ConfigError, "max_time is -1"),
    ({"seed": "x"}, ConfigError, "seed is 'x'"),
    ({"name": "../x"}, ConfigError, "'../x' cannot name a run"),
    ({"engine": "dask"}, ConfigError, "engine is 'dask'"),
    ({"objective": {"score": "up"}}, ConfigError, "'up' is no direction"),
    ({"objective": ""}, ConfigError, "objective names the metric ''"),
    ({"objective": None}, ConfigError, "objective is None: name the metric"),
    ({"objective": {}}, ConfigError, "objective is empty"),
    ({"storage_path": "s3://bucket/runs"}, ConfigError, "no folder of this machine"),
    ({"stopper": "tiny:Nothing"}, PluginError, "stopper 'tiny:Nothing'"),
    ({"stopper": "tiny:StopBelow"}, PluginError, "'threshold'"),
]


@pytest.mark.parametrize(("settings", "kind", "message"), BAD, ids=[message for _, _, message in BAD])
def test_bad_arguments_are_errors_at_once(
    make: Make, settings: dict[str, Any], kind: type[RaynasError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        make(**settings)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_numbers_of_numpy_are_numbers(make: Make) -> None:
    made = make(max_trials=np.int64(3), max_time=np.float32(2.5), keep_weights=np.int32(0))
    assert [type(value) for value in (made.max_trials, made.max_time, made.keep_weights)] == [int, float, int]


def test_an_evaluator_that_is_none_is_an_error_at_once() -> None:
    with pytest.raises(ConfigError, match=r"evaluator is the function \S+: give raynas\.FunctionalEvaluator\("):
        Experiment(tiny.Tiny(), tiny.judge)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigError, match=r"evaluator is the class Evaluator: give an instance of it, Evaluator\("):
        Experiment(tiny.Tiny(), raynas.Evaluator)  # type: ignore[arg-type]  # the mistake


def test_a_gpu_that_is_not_there_is_an_error_that_leaves_the_run_to_be_started_again(make: Make) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ResourceError):
        make(resources={"num_gpus": 1}).run()
    assert len(make().run().trials) == 6


def test_a_relative_path_is_refused_in_a_ray_job(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(ConfigError, match=r"storage_path 'runs' is relative.*absolute path"):
        make(storage_path="runs", engine="ray")


def test_a_folder_that_cannot_be_made_is_an_error(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RaynasError, match="file"):
        make(storage_path=tmp_path / "file").run()


def test_runs_without_a_name_do_not_meet(make: Make) -> None:
    first = make(name=None)
    first.run()
    assert make(name=None).name != first.name


def test_a_search_in_this_process_does_without_ray(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, raynas, tiny\n"
        "from raynas.evaluator import FunctionalEvaluator\n"
        f"raynas.Experiment(tiny.Tiny(), FunctionalEvaluator(tiny.judge), 'random', objective='score', max_trials=2,\n"
        f"    storage_path={str(tmp_path)!r}, engine='local').run()\n"
        "assert 'ray' not in sys.modules\n"
    )
    subprocess.run([sys.executable, str(script)], check=True, timeout=120)


def test_workers_import_also_from_a_zip_that_stands_on_the_path(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "code.zip"
    archive.touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive), str(tmp_path / "gone.zip")])
    path = make().definition({}).path
    assert str(archive) in path and str(tmp_path / "gone.zip") not in path
