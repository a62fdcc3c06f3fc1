"""What a user gets wrong: one line that names the object, the cause and the cure; and no run is touched by it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY, Raynas

from raynas.store import Store

CONFIGURATION = [
    (["--evaluator.scal", "3"], ["scal"]),
    (["--strategy", "randm"], ["'randm'", "did you mean 'random'?"]),
    (["--strategy.k", "3"], ["'random'", "no argument 'k'"]),
    (["--strategy", "nowhere:Best"], ["'nowhere:Best'", "does not import"]),
    (["--space", "tiny.Huge"], ["space", "'tiny.Huge'", "module tiny has no 'Huge'"]),
    (["--space", "nowhere.Net"], ["space", "'nowhere.Net'", "no module 'nowhere'"]),
    (["--evaluator.class_path", "torch.nn.Linaer"], ["evaluator", "did you mean 'Linear'?"]),
    (["--evaluator.fn", "tiny.juge"], ["evaluator.fn", "did you mean 'judge'?"]),
    (["--space", "bad_spaces.Raises"], ["bad_spaces.Raises", "ValueError: no, never"]),
    (["--space", "bad_spaces.TwoDomains"], ["label 'width'", "another label"]),
    (
        ["--space", "bad_spaces.Untraceable"],
        ["Branch cannot be opened", "bad_spaces.py:", "'pick'", "rewrite that line"],
    ),
    (["--resources.num_cpu", "1"], ["resources", "'num_cpu'", "num_cpus"]),
    (["--resources.num_cpus", "-1"], ["resources", "num_cpus is -1"]),
    (["--max_trials", "0"], ["max_trials is 0", "from 1"]),
    (["--name", "a b"], ["'a b' cannot name a run"]),
    (["--initial_samples", "[{width: 99, act: relu, bias: true}]"], ["initial_samples[0]", "'width'", "99"]),
]


@pytest.mark.parametrize(("arguments", "words"), CONFIGURATION)
def test_before_anything_is_begun(raynas: Raynas, arguments: list[str], words: list[str]) -> None:
    error = raynas("search", "tiny.yaml", *arguments).error
    for word in words:
        assert word in error
    assert not Path("runs").exists()


def test_an_unknown_key(raynas: Raynas) -> None:
    Path("bad.yaml").write_text(Path("tiny.yaml").read_text() + "max_trails: 3\n")
    assert raynas("search", "bad.yaml").error.endswith("unknown key 'max_trails': did you mean 'max_trials'?")


def test_a_file_that_is_not_there(raynas: Raynas) -> None:
    assert "there is no configuration 'nope.yaml': check its path" in raynas("search", "nope.yaml").error


def test_an_objective_that_the_evaluator_does_not_return(raynas: Raynas) -> None:
    for command in ("try", "search"):
        error = raynas(command, "tiny.yaml", "--objective", "accuracy").error
        assert "the objective 'accuracy' is not among what the evaluator returned (score, parameters)" in error


def test_a_metric_that_is_not_finite(raynas: Raynas) -> None:
    error = raynas("try", "tiny.yaml", "--evaluator.fn", "bad_spaces.not_finite").error
    assert "'score'" in error
    assert "nan" in error


def state_of(folder: Path) -> dict[str, str]:
    """What lies in a run's folder. SQLite's side files come and go with readers."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--space", "bad_spaces.Mismatched"],
            ["run 'done' was begun otherwise", "choice 'act' is gone", "another name"],
        ),
        (["--objective", "parameters"], ["run 'done' was begun otherwise", "objectives"]),
        (["--evaluator.scale", "2.0"], ["run 'done' was begun otherwise", "evaluator.scale: not given → 2.0"]),
        (["--seed", "1"], ["seed: 0 → 1"]),
        (["--strategy", "grid"], ["strategy", '"random" → "grid"']),
        (["--strategy", "randm"], ["did you mean"]),
        (["--space", "bad_spaces.TwoDomains"], ["label 'width'"]),
        (["--resources.num_gpus", "1", "--resources.num_cpus", "none"], ["num_cpus is 'none'"]),
    ],
)
def test_a_run_that_is_there_is_left_untouched(
    raynas: Raynas, finished: Path, arguments: list[str], words: list[str]
) -> None:
    before = state_of(finished)
    error = raynas("search", "tiny.yaml", "--name", "done", "--storage_path", finished.parent, *arguments).error
    for word in words:
        assert word in error
    assert state_of(finished) == before


def test_a_folder_that_holds_something_else_is_left_untouched(raynas: Raynas) -> None:
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/search.db").write_text("my own notes")
    error = raynas("search", "tiny.yaml", "--name", "mine").error
    assert "search.db" in error
    assert Path("runs/mine/search.db").read_text() == "my own notes"


@pytest.mark.ray
def test_resources_that_the_machine_cannot_give(raynas: Raynas) -> None:
    error = raynas("search", "tiny.yaml", "--engine", "ray", "--resources.num_cpus", "4000").error
    assert "a trial needs num_cpus=4000, and no node has that" in error
    assert "ask for less" in error


@pytest.mark.ray
def test_a_run_that_had_ended_is_left_as_it_was(raynas: Raynas) -> None:
    line = ("search", "tiny.yaml", "--engine", "ray", "--name", "done", "--max_trials")
    assert raynas(*line, "2").status == 0
    before = raynas("status", "done").out
    assert "no node has that" in raynas(*line, "4", "--resources.num_cpus", "4000").error
    assert raynas("status", "done").out.splitlines()[0] == before.splitlines()[0]
    with Store.open("runs/done/search.db", readonly=True) as store:
        assert store.definition()["max_trials"] == "2"
        assert "4000" not in store.definition()["resources"]


@pytest.mark.parametrize(("takes", "has"), [("num_cpus: 4096", "num_cpus="), ("custom: {disk: 1}", "disk=0")])
def test_what_this_machine_cannot_give_is_an_error_before_ray_is_started(tmp_path: Path, takes: str, has: str) -> None:
    """In a process of its own, for this one may have a Ray."""
    (tmp_path / "tiny.yaml").write_text(TINY.replace("engine: local", "engine: ray"))
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "raynas", "search", "tiny.yaml", "--name", "one", "--resources", f"{{{takes}}}"],
        env={**os.environ, "RAY_TMPDIR": str(tmp_path / "temporary")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr, done
    error = done.stderr.splitlines()[-1]
    assert error.startswith("error: a trial needs ") and "(there is: " in error and has in error
    assert error.endswith("ask for less, or name a cluster by RAY_ADDRESS")
    assert not (tmp_path / "runs").exists() and not list((tmp_path / "temporary").iterdir())
