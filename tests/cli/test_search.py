"""`raynas search`: from a file to a run's folder, and on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_line import Raynas

from raynas.config import read
from raynas.store import Store
from raynas.trial import TrialState


def trained(folder: Path) -> int:
    with Store.open(folder / "search.db", readonly=True) as store:
        return sum(trial.attempts > 0 for trial in store.trials())


def test_a_search_leaves_its_folder(raynas: Raynas, tmp_path: Path) -> None:
    said = raynas("search", "tiny.yaml", "--name", "one", "--evaluator.scale", "2.0")
    assert said.status == 0
    folder = tmp_path / "runs" / "one"
    assert sorted(path.name for path in folder.iterdir()) == ["artifacts", "config.yaml", "search.db", "space.json"]
    assert re.fullmatch(r"6 trials in 0:\d\d, best score \d\.\d{4} \(trial \d\)\n", said.out)
    assert "run 'one' in runs/one: 64 samples, RandomSearch" in said.err
    assert "6/6 done, 0 running, 0 failed, best " in said.err
    assert "raynas top one" in said.err


def test_the_folder_holds_the_configuration_as_it_was_used(raynas: Raynas) -> None:
    raynas("search", "tiny.yaml", "--name", "one", "--evaluator.scale", "2.0", "--max_trials", "2")
    kept = read("runs/one/config.yaml")
    assert kept["evaluator"]["init_args"] == {"fn": "tiny.judge", "scale": 2.0}
    assert (kept["name"], kept["max_trials"]) == ("one", 2)
    said = raynas("search", "runs/one/config.yaml")
    assert said.status == 0
    assert "has ended before" in said.err


def test_a_finished_run_says_so_and_trains_nothing(raynas: Raynas) -> None:
    line = ("search", "tiny.yaml", "--name", "one", "--evaluator.fn", "tiny.judge_and_tell", "--evaluator.log", "log")
    first = raynas(*line)
    log = Path("log").read_text()
    database = Path("runs/one/search.db").read_bytes()
    said = raynas(*line)
    assert said.status == 0
    assert "run 'one' has ended before (all of its 6 trials have ended), so nothing was trained" in said.err
    assert Path("log").read_text() == log
    assert Path("runs/one/search.db").read_bytes() == database
    assert said.out.split(", best")[1] == first.out.split(", best")[1]


def test_what_has_not_finished_a_trial_may_be_asked_otherwise(raynas: Raynas) -> None:
    first = ("search", "tiny.yaml", "--name", "one")
    assert "the objective 'skore' is not among" in raynas(*first, "--objective", "skore").error
    said = raynas(*first)
    assert said.status == 0 and "note: run 'one' had not finished a single trial: it begins anew" in said.err
    assert trained(Path("runs/one")) == 6 and read("runs/one/config.yaml")["objective"] == "score"
    with Store.open("runs/one/search.db", readonly=True) as store:
        assert {trial.state for trial in store.trials()} == {TrialState.FINISHED}
        assert [trial.number for trial in store.trials()] == list(range(len(store.trials())))
    assert "run 'one' was begun otherwise (objectives." in raynas(*first, "--objective", "skore").error
    assert trained(Path("runs/one")) == 6


def test_the_same_name_goes_on(raynas: Raynas) -> None:
    raynas("search", "tiny.yaml", "--name", "one", "--max_trials", "3")
    assert trained(Path("runs/one")) == 3
    raynas("search", "tiny.yaml", "--name", "one", "--max_trials", "5")
    assert trained(Path("runs/one")) == 5


@pytest.mark.parametrize(
    "where", [(), ("--store", "all.db"), ("--storage_path", "else where"), ("--store", "all.db", "--storage_path", "o")]
)
def test_what_is_said_after_a_search_finds_its_run(raynas: Raynas, where: tuple[str, ...]) -> None:
    said = raynas("search", "tiny.yaml", "--name", "one", "--max_trials", "2", *where)
    found = re.search(r"see them: raynas (.*); take the best: raynas (.*)\n", said.err)
    assert found is not None
    for line in found.groups():
        again = raynas(*shlex.split(line))
        assert again.status == 0, again
    assert Path("best.py").exists()


def test_without_a_name_each_run_gets_a_new_one(raynas: Raynas) -> None:
    for _ in range(2):
        assert raynas("search", "tiny.yaml", "--max_trials", "1").status == 0
    names = sorted(path.name for path in Path("runs").iterdir())
    assert len(names) == 2
    assert all(re.fullmatch(r"\d{8}-\d{6}(-2)?", name) for name in names)


def test_runs_lie_where_they_are_told_to(raynas: Raynas, tmp_path: Path) -> None:
    said = raynas("search", "tiny.yaml", "--name", "one", "--storage_path", "there/too", "--max_trials", "1")
    assert (tmp_path / "there" / "too" / "one" / "search.db").exists()
    assert "raynas top there/too/one" in said.err


def test_a_path_with_a_space_can_be_copied_from_what_is_said(raynas: Raynas) -> None:
    said = raynas("search", "tiny.yaml", "--name", "one", "--storage_path", "my runs", "--max_trials", "1")
    assert "raynas top 'my runs/one'" in said.err


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(raynas: Raynas, tmp_path: Path) -> None:
    (tmp_path / "pressed.py").write_text(
        "import signal\nfrom tiny import score\ncalls = []\n"
        "def judge(model):\n    calls.append(1)\n"
        "    if len(calls) == 3:\n        signal.raise_signal(signal.SIGINT)\n    return score(model)\n"
    )
    line = ("search", "tiny.yaml", "--evaluator.fn", "pressed.judge")
    said = raynas(*line)
    assert said.status == 130
    assert "Traceback" not in said.err
    (name,) = (path.name for path in Path("runs").iterdir())
    last = said.err.rstrip("\n").split("\n")[-1]
    assert re.fullmatch(rf"interrupted after \d of 6 trials; to go on: raynas {' '.join(line)} --name {name}", last)
    said = raynas(*line, "--name", name)
    assert said.status == 0
    assert said.out.startswith("6 trials")


def test_what_was_cut_off_and_is_left_over_is_not_counted(raynas: Raynas, tmp_path: Path) -> None:
    (tmp_path / "cut.py").write_text(
        "import signal\nfrom tiny import score\ncalls = []\n"
        "def judge(model):\n    calls.append(1)\n"
        "    if len(calls) == 3:\n        signal.raise_signal(signal.SIGINT)\n    return score(model)\n"
    )
    line = ("search", "tiny.yaml", "--evaluator.fn", "cut.judge", "--name", "one")
    assert raynas(*line).status == 130
    with Store.open("runs/one/search.db", readonly=True) as store:
        assert [trial.attempts for trial in store.trials()] == [1, 1, 1] and not store.trial(2).trained
    said = raynas(*line, "--max_trials", "2")
    assert said.status == 0 and said.out.startswith("2 trials")


def test_a_search_that_fails_from_the_first_shows_the_users_traceback_once(raynas: Raynas) -> None:
    said = raynas("search", "tiny.yaml", "--evaluator.fn", "tiny.always_fail")
    assert said.status == 2
    assert "error: the first 3 trials all failed with KeyError: 'x'\n" in said.err
    assert said.err.count("Traceback") == 1
    assert 'raise KeyError("x")' in said.err


def test_a_search_without_a_result_says_why(raynas: Raynas) -> None:
    error = raynas("search", "tiny.yaml", "--evaluator.fn", "bad_spaces.not_finite").error
    assert "6 trials failed" in error
    assert "nan" in error


@pytest.mark.ray
def test_in_ray_it_is_the_same_and_nobody_chatters(raynas: Raynas) -> None:
    said = raynas("search", "tiny.yaml", "--engine", "ray", "--name", "one")
    assert said.status == 0
    assert re.fullmatch(r"6 trials in \d+:\d\d, best score \d\.\d{4} \(trial \d\)\n", said.out)
    assert all(line.startswith(("run '", "see them")) or "/6 done, " in line for line in said.err.splitlines())
    assert trained(Path("runs/one")) == 6
