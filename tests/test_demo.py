"""The digits: a space that is worth searching, data that is split once, and the demonstration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from examples import digits
from raynas.config import read, settings
from raynas.config.making import make

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "digits.yaml"


def test_the_split_is_fixed_and_stratified() -> None:
    parts = [digits.train_set(), digits.val_set(), digits.test_set()]
    assert [len(part) for part in parts] == [1077, 360, 360]
    everything = torch.cat([part.tensors[1] for part in parts])
    share = torch.bincount(everything) / len(everything)
    for part in parts:
        labels = part.tensors[1]
        assert (torch.bincount(labels) / len(labels) - share).abs().max() < 0.005
    images = [tuple(image.flatten().tolist()) for part in parts for image in part.tensors[0]]
    assert len(images) == 1797
    assert len(set(images)) == len(images)
    assert digits.train_set().tensors[1][:8].tolist() == [7, 8, 9, 6, 7, 1, 7, 4]


def test_the_configuration_is_what_it_says() -> None:
    experiment = make(settings({**read(str(CONFIG)), "name": "unused"}))
    size = experiment.search_space.size()
    assert size is not None
    assert size >= 10_000
    labels = {domain.label for domain in experiment.search_space}
    assert {"width", "stem_kernel", "depth", "block_0", "around", "dropout", "learning_rate"} <= labels
    assert experiment.max_trials == 40
    assert dict(experiment.objectives) == {"val_accuracy": "max"}
    assert experiment.resources.describe() == "num_cpus=1"
    assert experiment.evaluator.epochs() == 8
    assert type(experiment.strategy).__name__ == "RegularizedEvolution"


def raynas(*arguments: str, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = "import sys; from raynas.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demonstration(tmp_path: Path) -> None:
    said = raynas("search", str(CONFIG), "--name", "demo", cwd=tmp_path)
    found = re.match(r"40 trials in \d+:\d\d, best val_accuracy (\d\.\d+)", said)
    assert found, said
    assert float(found[1]) >= 0.96
    raynas("export", "demo", "-o", "best.py", "--weights", "best.safetensors", cwd=tmp_path)
    assert "raynas" not in (tmp_path / "best.py").read_text()
    command = [
        sys.executable,
        "-m",
        "examples.digits_winner",
        str(tmp_path / "runs" / "demo"),
        str(tmp_path / "best.py"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    accuracy = re.match(r"test accuracy (\d\.\d+):", done.stdout)
    assert accuracy
    assert float(accuracy[1]) > 0.95


@pytest.mark.slow
def test_the_benchmark_compares_the_search_with_the_default(tmp_path: Path) -> None:
    target = tmp_path / "digits.json"
    command = [sys.executable, "benchmarks/digits.py", "--seeds", "1", "--trials", "10", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(target.read_text())
    assert len(measured["search"]) == len(measured["default"]) == 1
    assert all(0 <= value <= 1 for value in [*measured["search"], *measured["default"]])
    assert "median" in done.stdout
    assert "load" in done.stdout
