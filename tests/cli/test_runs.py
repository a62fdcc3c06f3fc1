"""`raynas status`, `top`, `export`, `report`: what a run has found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import Raynas
from safetensors.torch import load_file

from raynas.experiment import Result


@pytest.fixture(scope="module")
def result(finished: Path) -> Result:
    return Result.open(finished)


def test_a_run_is_found_by_name_or_by_path(raynas: Raynas, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_path = raynas("status", finished)
    assert by_path.status == 0
    assert raynas("status", f"{finished}/").out == by_path.out
    assert raynas("status", "done", "--storage_path", finished.parent).out == by_path.out
    monkeypatch.chdir(finished.parent.parent)
    assert raynas("status", "done").out == by_path.out
    assert raynas("status", "runs/done").out == by_path.out


def test_status_tells_how_a_run_stands(raynas: Raynas, finished: Path, result: Result) -> None:
    said = raynas("status", finished)
    assert "run 'done', ended: all of its 6 trials have ended" in said.out
    assert "finished   6" in said.out
    assert f"best score: {result.best.metrics['score']:.4f} (trial {result.best.number})" in said.out


def test_status_of_a_trial_tells_its_outcome_and_the_last_output_of_a_failed_one(raynas: Raynas) -> None:
    Path("talk.yaml").write_text(Path("tiny.yaml").read_text().replace("tiny.judge", "tiny.talk_and_fail"))
    raynas("search", "talk.yaml", "--name", "talk", "--max_trials", "8")
    trials = Result.open("talk").trials
    failed = next(trial for trial in trials if trial.state == "failed")
    said = raynas("status", "talk", "--trial", failed.number).out
    assert said.startswith(f"trial {failed.number}: failed (exception), width={failed.sample['width']} act=tanh")
    assert "ArithmeticError: no tanh, please" in said and "in talk_and_fail" in said
    assert "\nline 100\n" in said and "\nline 199\n" in said and "\nline 99\n" not in said
    well = next(trial for trial in trials if trial.trained)
    said = raynas("status", "talk", "--trial", well.number).out
    assert f"trial {well.number}: finished" in said and f"score={well.metrics['score']:.6g}" in said
    assert "has no trial 99" in raynas("status", "talk", "--trial", "99").error


def test_a_metric_of_any_name_can_be_shown(raynas: Raynas) -> None:
    Path("odd.yaml").write_text(Path("tiny.yaml").read_text().replace("tiny.judge", "tiny.judge_oddly"))
    assert raynas("search", "odd.yaml", "--name", "odd", "--max_trials", "2").status == 0
    for line in ("status odd --trial 0", "status odd", "top odd", "report odd"):
        assert raynas(*line.split()).status == 0
    assert "\\ud800 odd" in raynas("status", "odd", "--trial", "0").out


@pytest.mark.ray
@pytest.mark.slow
def test_status_of_a_trial_tells_what_its_worker_had_said_before_it_died_or_was_ended(raynas: Raynas) -> None:
    text = Path("tiny.yaml").read_text().replace("engine: local", "engine: ray").replace("judge", "talk_and_vanish")
    Path("vanish.yaml").write_text(text)
    limits = ("--trial_timeout", "12", "--resources.num_cpus", "2", "--max_trials", "3")
    assert raynas("search", "vanish.yaml", "--name", "vanish", *limits).status == 0
    died = raynas("status", "vanish", "--trial", "0").out
    assert died.startswith("trial 0: failed (worker died)") and "\nhello from trial 0\n" in died, died
    late = raynas("status", "vanish", "--trial", "1").out
    assert late.startswith("trial 1: failed (timeout)") and "it took longer than trial_timeout (12 s)" in late, late
    assert "\nhello from trial 1\na warning\n" in late, late
    assert "most recent call first" in late and "in wait_for_ever" in late and "in talk_and_vanish" in late, late
    assert "worker.py" not in late and "hello from trial 0" not in late, late


def test_top_lists_the_best_first(raynas: Raynas, finished: Path, result: Result) -> None:
    lines = raynas("top", finished, "-k", "3").out.splitlines()
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (str(rank), str(trial.number), f"{trial.metrics['score']:.4f}") for rank, trial in enumerate(result.top(3), 1)
    ]
    assert rows[0][4] == f"width={result.best.sample['width']}"
    assert "-k is 0" in raynas("top", finished, "-k", "0").error


def test_the_best_is_exported_with_its_weights(raynas: Raynas, finished: Path, result: Result, tmp_path: Path) -> None:
    said = raynas("export", finished, "-o", "best.py", "--weights", "best.safetensors")
    assert said.status == 0
    where = "in best.py, class Model; its trained weights are in best.safetensors"
    lines = said.out.splitlines()
    assert lines[0] == f"trial {result.best.number} is {where}"
    assert lines[1:] == ["train_best.py trains it again, with what the search chose"]
    code = (
        "import sys; sys.modules['raynas'] = None\n"
        "import best, torch; from safetensors.torch import load_file\n"
        "model = best.Model(); model.load_state_dict(load_file('best.safetensors'), strict=True)\n"
        "print(model(torch.ones(1, 4)).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(result.best.load()(torch.ones(1, 4)).tolist())
    assert load_file("best.safetensors").keys() == result.best.load().state_dict().keys()


def test_any_trial_can_be_exported(raynas: Raynas, finished: Path, result: Result) -> None:
    number = next(trial.number for trial in result.trials if trial.number != result.best.number and trial.trained)
    assert raynas("export", finished, "--trial", number, "-o", "other.py").status == 0
    assert "class Model" in Path("other.py").read_text()


def test_the_report_is_a_page(raynas: Raynas, finished: Path, result: Result) -> None:
    said = raynas("report", finished, "-o", "page.md")
    assert said.out == "run 'done' is described in page.md\n"
    text = Path("page.md").read_text()
    assert text.startswith("# done\n")
    assert result.best.source.rstrip() in text


def test_the_report_lies_in_the_runs_folder_unless_told_otherwise(raynas: Raynas) -> None:
    raynas("search", "tiny.yaml", "--name", "one", "--max_trials", "1")
    assert raynas("report", "one").out == "run 'one' is described in runs/one/report.md\n"
    assert Path("runs/one/report.md").read_text().startswith("# one\n")


@pytest.mark.parametrize("command", ["status", "top", "report", "export -o best.py"])
def test_a_run_that_is_not_there_is_an_error(raynas: Raynas, finished: Path, command: str) -> None:
    word, *rest = command.split()
    expected = "error: there is no run 'nope': runs holds none; give the path of its folder"
    assert raynas(word, "nope", *rest).error == expected
    assert "there is done" in raynas(word, "nope", *rest, "--storage_path", finished.parent).error
    assert not Path("runs").exists()
    assert not Path("best.py").exists()


def test_a_trial_without_weights_or_not_there_is_an_error(raynas: Raynas, finished: Path, result: Result) -> None:
    number = next(trial.number for trial in result.trials if trial.number != result.best.number and trial.trained)
    error = raynas("export", finished, "--trial", number, "-o", "x.py", "--weights", "x.safetensors").error
    assert f"the weights of trial {number} were not kept" in error
    assert not Path("x.py").exists()
    assert "has no trial 99" in raynas("export", finished, "--trial", "99", "-o", "x.py").error
    assert "cannot be written to nowhere/x.py" in raynas("export", finished, "-o", "nowhere/x.py").error
    assert "cannot be written to nowhere/x.md" in raynas("report", finished, "-o", "nowhere/x.md").error


def test_a_run_without_a_result_says_why(raynas: Raynas) -> None:
    raynas("search", "tiny.yaml", "--name", "bad", "--evaluator.fn", "bad_spaces.not_finite")
    for command in (("top", "bad"), ("export", "bad", "-o", "best.py")):
        assert "run 'bad' has no result: 6 trials failed" in raynas(*command).error
    assert "failed   6" in raynas("status", "bad").out
    assert raynas("report", "bad").status == 0
    assert "| 6 | 0 | non-finite metric |" in Path("runs/bad/report.md").read_text()


def test_a_damaged_run_is_an_error(raynas: Raynas) -> None:
    Path("runs/broken").mkdir(parents=True)
    Path("runs/broken/search.db").write_text("not a database at all, and long enough to be read as one " * 40)
    assert "search.db" in raynas("status", "broken").error
