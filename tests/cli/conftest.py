"""A small search to look at, and the command line as a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command_line import TINY, Raynas, Said

from raynas.cli import main


@pytest.fixture
def raynas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Raynas:
    """Runs a command line in a folder of its own, in which tiny.yaml lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("tiny.yaml").write_text(TINY)

    def run(*arguments: Any) -> Said:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of six trials."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    arguments = ["--name", "done", "--storage_path", str(folder / "runs"), "--max_trials", "6"]
    assert main(["search", str(folder / "tiny.yaml"), *arguments]) == 0
    return folder / "runs" / "done"
