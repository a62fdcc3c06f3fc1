"""A run's folder that was copied, renamed or damaged: it goes on by itself, or is refused in a line."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import tiny
import torch

from raynas import ConfigError, Experiment, FunctionalEvaluator, Result
from raynas.errors import Notice, SearchError, StoreError
from raynas.experiment.afar import searching
from raynas.experiment.start import Start, going_on
from raynas.store import Store


def experiment(folder: Path, name: str, max_trials: int = 4, **changes: Any) -> Experiment:
    return Experiment(
        tiny.Tiny(),
        FunctionalEvaluator(tiny.judge),
        "random",
        objective="score",
        max_trials=max_trials,
        name=name,
        storage_path=folder,
        engine="local",
        **changes,
    )


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The folder of a run of four trials."""
    experiment(tmp_path, "run").run()
    return tmp_path / "run"


def test_copies_and_renamed_runs_go_on_each_by_itself(begun: Path) -> None:
    shutil.copytree(begun, begun.with_name("copy"))
    begun.rename(begun.with_name("moved"))
    begun.with_name("link").symlink_to("copy")
    for name, trials in (("copy", 5), ("moved", 6), ("link", 7)):
        result = experiment(begun.parent, name, trials).run()
        assert (result.name, len(result.trials)) == (name, trials)
        result.best.load()
    assert len(Result.open("moved", begun.parent).trials) == 6
    with Store.open(begun.with_name("copy") / "search.db", readonly=True) as store:
        assert (store.name, len(store.trials())) == ("run", 7)


def test_a_folder_that_could_not_name_a_run_is_read(begun: Path, tmp_path: Path) -> None:
    odd = begun.rename(begun.with_name("run (1) ü"))
    for result in (Result.open(odd), Result.open("run (1) ü", begun.parent)):
        result.best.export(tmp_path / "best.py", tmp_path / "best.safetensors", tmp_path / "train.py")
    with pytest.raises(ConfigError, match="cannot name a run"):
        experiment(begun.parent, "run (1) ü")


def test_a_database_elsewhere_is_asked_for_by_the_name_of_its_run(begun: Path) -> None:
    with pytest.raises(StoreError, match=r"has no run 'other', but 'run': use that name, or another database"):
        experiment(begun.parent, "other", store=str(begun / "search.db")).run()


@pytest.fixture
def other() -> Iterator[int]:
    """A process that lives."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate()


def test_the_copy_of_a_run_that_is_searched_is_not_searched(begun: Path, other: int) -> None:
    file = begun / "search.db"
    with Store.open(file) as store:
        store.new_epoch(Start(socket.gethostname(), other, "127.0.0.1:1", "run:x", file=str(file)).to_text())
    shutil.copytree(begun, begun.with_name("copy"))
    os.symlink(begun, begun.with_name("link"))
    for name, there in (("run", True), ("link", True), ("copy", False)):
        with Store.open(begun.with_name(name) / "search.db", readonly=True) as store:
            assert (going_on(store) is not None) is there
    with (
        pytest.raises(SearchError, match=r"nobody searches run 'copy', it was cut off"),
        searching("copy", begun.parent),
    ):
        pass


def test_weights_that_are_gone_or_damaged_are_named(begun: Path, tmp_path: Path) -> None:
    best = Result.open(begun).best
    assert best.trial.weights is not None
    file = begun / "artifacts" / best.trial.weights
    whole = file.read_bytes()
    good, exported = safetensors.torch.load(whole), tmp_path / "best.safetensors"

    def refused(words: str) -> None:
        with pytest.raises(StoreError, match=words) as caught:
            best.load()
        assert "\n" not in str(caught.value)

    for damaged in (b"", whole[:50], whole[:-1]):
        file.write_bytes(damaged)
        refused(r"is damaged .*: restore it from a copy, or train")
        with pytest.raises(StoreError, match="is damaged"):
            best.export(tmp_path / "best.py", exported)
        assert not exported.exists()
    file.write_bytes(safetensors.torch.save({**good, "more": torch.zeros(1)}))
    refused(r"do not fit the source of trial \d+: restore")
    file.unlink()
    refused(r"are not in .*artifacts, as 'weights/.*': put it back, give the storage_path of the search, or")
    for other in Result.open(begun).top(4)[1:]:
        with pytest.raises(StoreError, match="were not kept"):
            other.load()


def test_one_file_for_two_things_is_refused(begun: Path, tmp_path: Path) -> None:
    best, path = Result.open(begun).best, tmp_path / "best.py"
    for others in (
        {"weights": path},
        {"train": path},
        {"weights": tmp_path / "w", "train": tmp_path / "x" / ".." / "w"},
    ):
        with pytest.raises(ConfigError, match="is named for two files to write: give each a name of its own"):
            best.export(path, **others)
    assert not path.exists()
    for k in (-1, "3"):
        with pytest.raises(ConfigError, match=r"k is .*: give a whole number from 0"):
            Result.open(begun).top(k)  # type: ignore[arg-type]  # what a user may do


def test_texts_that_are_damaged_are_named(begun: Path, tmp_path: Path) -> None:
    (file,) = (begun / "artifacts" / "code").iterdir()
    for damaged in (b"{", b"\xff\xfe", b"3"):
        file.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"'code/.*' in .* is damaged: restore it from a copy, or remove it"):
            Result.open(begun).best.export(tmp_path / "best.py")


JUDGE = """
def judge(model):
    return {{"score": {} * float(sum(p.numel() for p in model.parameters()))}}
"""


def test_results_of_other_code_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def trained(factor: int, trials: int) -> Result:
        (tmp_path / "own_judge.py").write_text(JUDGE.format(factor))
        monkeypatch.delitem(sys.modules, "own_judge", raising=False)
        judge = __import__("own_judge").judge
        return Experiment(
            tiny.Tiny(),
            FunctionalEvaluator(judge),
            "random",
            objective="score",
            max_trials=trials,
            name="run",
            storage_path=tmp_path,
            engine="local",
        ).run()

    trained(10, 2)
    with pytest.warns(Notice, match=r"^run 'run' has results of other code than there is now .*: they stay, and what"):
        result = trained(1234, 3)
    assert len({trial.key.code for trial in result.trials}) == 2
