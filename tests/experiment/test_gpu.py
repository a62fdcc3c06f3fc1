"""Searches on a real GPU; skipped where there is none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
    pytest.mark.chaos,
]

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, sys
import raynas
from raynas import Experiment, ValueChoice
from raynas.evaluator.lightning import Classification
from examples.digits import DigitsNet, train_set, val_set

name, resources, trainer, more = sys.argv[1], *map(json.loads, sys.argv[2:])
evaluator = Classification(
    raynas.serialize(train_set), raynas.serialize(val_set), batch_size=64, trainer=trainer,
    learning_rate=ValueChoice([0.003, 0.01], label="learning_rate"),
)
result = Experiment(DigitsNet(), evaluator, name=name, resources=resources, **more).run()
print(json.dumps([[dict(t.sample), dict(t.metrics)] for t in result.history.trials]))
print(json.dumps([str(p.device) for p in result.best.load().parameters()][:1]))
"""


def run(folder: Path, *arguments: str, visible: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def searched(
    folder: Path, name: str, gpus: float, trainer: dict[str, object] | None = None, **more: object
) -> list[list[dict[str, float]]]:
    resources = {"num_cpus": 1, "num_gpus": gpus}
    visible = more.pop("visible", None)
    given = [
        json.dumps(item)
        for item in (resources, {"max_epochs": 2, **(trainer or {})}, {"max_trials": 6, "strategy": "random", **more})
    ]
    done = run(folder, "-c", SCRIPT, name, *given, visible=None if visible is None else str(visible))
    trials, devices = map(json.loads, done.stdout.splitlines()[-2:])
    assert devices == ["cpu"]
    return list(trials)


def on_the_gpu() -> list[int]:
    asked = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
    return [int(line) for line in subprocess.run(asked, capture_output=True, text=True).stdout.split()]


def used() -> int:
    """Bytes of the GPU that somebody has."""
    free, whole = torch.cuda.mem_get_info()
    return whole - free


def test_a_quarter_each_and_the_same_again(tmp_path: Path) -> None:
    one = searched(tmp_path, "one", 0.25)
    assert len(one) == 6 and all(metrics["val_accuracy"] > 0 for _, metrics in one)
    # Alone on the GPU, or three at a time: a training follows from its seed.
    again = searched(tmp_path, "again", 1)
    assert [pair for pair in one if pair not in again] == []


def test_a_gpu_by_its_name_alone(tmp_path: Path) -> None:
    asked = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    uuid = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[0].strip()
    assert len(searched(tmp_path, "named", 0.5, visible=uuid)) == 6


def test_mixed_precision_and_rungs(tmp_path: Path) -> None:
    rungs = {"strategy": "asha", "strategy_arguments": {"min_budget": 1, "max_budget": 2, "eta": 2}}
    assert len(searched(tmp_path, "mixed", 0.5, {"precision": "bf16-mixed"}, **rungs)) == 6


def test_training_the_winner_again_gives_its_metrics(tmp_path: Path) -> None:
    searched(tmp_path, "winner", 1, max_trials=2)
    export = "import raynas, json; b = raynas.Result.open('winner').best; b.export('best.py', train='train.py')"
    best = json.loads(run(tmp_path, "-c", f"{export}; print(json.dumps(dict(b.metrics)))").stdout.splitlines()[-1])
    assert json.loads(run(tmp_path, "train.py").stdout.splitlines()[-1]) == best


def test_a_gpu_that_nobody_uses_is_named(tmp_path: Path) -> None:
    resources = json.dumps({"num_cpus": 1})
    done = run(tmp_path, "-c", SCRIPT, "idle", resources, "null", json.dumps({"max_trials": 1, "strategy": "random"}))
    assert "there is 1 GPU that no trial uses" in done.stderr


def test_raynas_try_uses_it(tmp_path: Path) -> None:
    config = str(ROOT / "configs" / "digits.yaml")
    done = run(ROOT, "-m", "raynas", "try", config, "--resources", '{"num_cpus": 1, "num_gpus": 0.5}')
    assert "second" in done.stdout


@pytest.mark.parametrize("how", ["twice", "killed"])
def test_nothing_is_left_on_the_gpu(tmp_path: Path, how: str) -> None:
    before, processes = used(), on_the_gpu()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    given = [{"num_cpus": 1, "num_gpus": 0.25}, {"max_epochs": 500}, {"max_trials": 50, "strategy": "random"}]
    search = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "left", *map(json.dumps, given)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 120
    while used() < before + 2**29:
        assert time.monotonic() < limit and search.poll() is None
        time.sleep(0.5)
    time.sleep(5)
    if how == "twice":
        search.send_signal(signal.SIGINT)
        time.sleep(1)
        search.send_signal(signal.SIGINT)
    else:
        search.kill()
    search.wait(60)
    limit = time.monotonic() + 90
    while used() > before + 2**26 or set(on_the_gpu()) - set(processes):
        assert time.monotonic() < limit, (used(), before, on_the_gpu())
        time.sleep(0.5)
