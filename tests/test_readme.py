"""The README says what is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from raynas.cli.main import COMMANDS
from raynas.config import read, settings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    return str(code)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "example.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "example.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 90
    assert len([line for line in example().splitlines() if line]) <= 28


@pytest.mark.slow
def test_its_example_runs(tmp_path: Path) -> None:
    code = example()
    for there, tiny in (("max_epochs=8", "max_epochs=1"), ("max_trials=40", "max_trials=2, engine='local'")):
        assert there in code
        code = code.replace(there, tiny)
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(r"0\.\d+ \{'width': ", done.stdout)
    assert "class Model" in (tmp_path / "best.py").read_text()
    assert "raynas" not in (tmp_path / "best.py").read_text()


@pytest.mark.slow
def test_its_example_runs_in_ray(tmp_path: Path) -> None:
    done = run(example().replace("max_trials=40", "max_trials=4"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 0.3


def test_its_commands_are_there() -> None:
    assert list(dict.fromkeys(re.findall(r"^\| `raynas (\w+)", TEXT, re.MULTILINE))) == list(COMMANDS)
    assert "raynas.trace(lambda: any_model())" in TEXT


def test_its_overrides_are_possible() -> None:
    values = read(str(ROOT / "configs" / "digits.yaml"))
    assert settings(values).evaluator["init_args"]["max_epochs"] == 8
    assert "--evaluator.max_epochs 20" in TEXT


def test_make_knows_the_words() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = [line.split()[0] for line in listed.splitlines()]
    assert {"install", "demo", "test", "test-slow", "lint", "docs", "clean"} <= set(words)
    assert set(re.findall(r"^make ([a-z-]+)", TEXT, re.MULTILINE)) <= set(words)
    ci = (ROOT / ".ci" / "run").read_text()
    assert "make lint test test-slow" in ci
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target
