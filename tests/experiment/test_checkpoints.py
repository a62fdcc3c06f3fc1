"""What a trial leaves behind: for its own next attempt, and for others to start from."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import rungs
import tiny
from cut_off import CutOff
from torch import nn

from raynas import Context, Experiment, Result, TrialState
from raynas.engine.checkpoint import load_state
from raynas.evaluator import FunctionalEvaluator
from raynas.evaluator.lightning import Classification, watch

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


def training(folder: Path, engine: str, how: str, epoch: int = 2) -> Experiment:
    """One candidate, five epochs; its first attempt is cut off after one of these."""
    folder.mkdir(exist_ok=True)
    evaluator = CutOff(
        data=rungs.digits,
        max_epochs=5,
        scheduler="one_cycle",
        learning_rate=1e-2,
        batch_size=64,
        log=str(folder / "log"),
        how=how,
        epoch=epoch,
    )
    settings: dict[str, Any] = {"max_trials": 1, "resources": {"num_cpus": 2}, "name": "run"}
    return Experiment(
        rungs.Small(), evaluator, "random", objective="val_accuracy", engine=engine, storage_path=folder, **settings
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_training_that_was_cut_off_goes_on_from_its_last_epoch(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RARELY", 0.0)
    if engine == "local":
        with pytest.raises(KeyboardInterrupt):
            training(tmp_path, engine, "interrupt").run()
    result = training(tmp_path, engine, "exit" if engine == "ray" else "interrupt").run()
    whole = training(tmp_path / "whole", "local", "never", epoch=9).run()
    (cut,), (one,) = result.trials, whole.trials
    assert cut.attempts == 2 and one.attempts == 1
    assert cut.metrics == one.metrics and cut.reports == one.reports and len(cut.reports) == 5
    weights = [found.best.load().state_dict() for found in (result, whole)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])
    state, other = (load_state(found.place.artifacts, "states/0.pt") for found in (result, whole))
    assert state["epochs"] == other["epochs"] and state["epoch"] == other["epoch"] == 5
    assert (
        state["trainer"]["loops"]["fit_loop"]["epoch_progress"]
        == (other["trainer"]["loops"]["fit_loop"]["epoch_progress"])
    )


def test_a_promoted_training_that_was_cut_off_reports_its_own_epochs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "RARELY", 0.0)
    state: dict[str, Any] = {}
    told: list[list[int]] = []
    for attempt in (1, 2):
        steps: list[int] = []
        told.append(steps)
        evaluator = CutOff(
            data=rungs.digits, max_epochs=6, batch_size=64, log=str(tmp_path / "log"), epoch=4, how="interrupt"
        )
        if not state:
            parent = Kept(state.setdefault("parent", {}))
            evaluator.evaluate(plain(), Context(seed=3, budget=2, attempt=9, checkpoint=parent))
        context = Context(
            seed=3,
            budget=6,
            attempt=attempt,
            warm_start=state["parent"]["state"],
            checkpoint=Kept(state.setdefault("own", {})),
            send=lambda metrics, step, steps=steps: bool(steps.append(step)),
        )
        if attempt == 1:
            with pytest.raises(KeyboardInterrupt):
                evaluator.evaluate(plain(), context)
            assert state["own"]["state"]["epoch"] == 4
        else:
            evaluator.evaluate(plain(), context)
    assert told == [[2, 3, 4], [2, 3, 4, 5]]


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))


class Kept:
    """A checkpoint that is kept as a file would be: by value."""

    def __init__(self, place: dict[str, Any]) -> None:
        self.place = place

    def save(self, state: Mapping[str, Any]) -> None:
        self.place["state"] = copy.deepcopy(dict(state))

    def restore(self) -> Mapping[str, Any] | None:
        return copy.deepcopy(self.place.get("state"))
