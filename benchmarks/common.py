"""What the engine's benchmarks share: a network of thirty nodes and ten choices, trials that do nothing, and tables."""

from __future__ import annotations

import logging
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."

import torch
from torch import nn

from raynas import Experiment, LayerChoice, ModelSpace, Result, ValueChoice
from raynas.evaluator import Context, FunctionalEvaluator
from raynas.trial import Trial

torch.set_num_threads(1)

OPERATIONS = 8


class Block(nn.Module):
    def __init__(self, width: int, label: str) -> None:
        super().__init__()
        kinds = [
            nn.Conv2d(width, width, 3, padding=1),
            nn.Conv2d(width, width, 5, padding=2),
            nn.MaxPool2d(3, 1, 1),
            nn.Identity(),
        ]
        self.op = LayerChoice(kinds, label=label)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.op(x) + x)


class Net(ModelSpace):
    """Thirty nodes, ten choices, 589,824 samples."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, 16, 32], label="width")
        self.stem = nn.Conv2d(1, width, ValueChoice([3, 5, 7], label="kernel"), padding="same")
        self.blocks = nn.Sequential(*(Block(width, f"op_{number}") for number in range(OPERATIONS)))
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


def patient(profile: Any) -> bool:
    """A constraint that waits, so that not the cores of this machine say how many can do it at a time."""
    time.sleep(0.02)
    return True


def noop(model: nn.Module) -> Mapping[str, float]:
    return {"score": 0.5}


def sleep(model: nn.Module, context: Context, seconds: float, sigma: float = 0.0) -> Mapping[str, float]:
    rng = random.Random(context.seed)
    begun = time.perf_counter()
    time.sleep(seconds * (context.budget or 1.0) * math.exp(rng.gauss(0.0, sigma)))
    return {"score": rng.random(), "slept": time.perf_counter() - begun}


@contextmanager
def ray_with(cpus: int) -> Iterator[Any]:
    """Ray on this machine."""
    import ray

    os.environ["RAY_ADDRESS"] = "local"
    ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield ray
    ray.shutdown()


def searched(folder: str, trials: int, function: Any = noop, **changes: Any) -> Result:
    """The result of a search of `Net`."""
    settings: dict[str, Any] = {"strategy": "random", "objective": "score", "keep_weights": 0, "name": "run", **changes}
    evaluator = FunctionalEvaluator(function, **settings.pop("arguments", {}))
    return Experiment(Net(), evaluator, max_trials=trials, storage_path=folder, **settings).run()


def trained(result: Result) -> list[Trial]:
    """What a worker has done, in the order in which it ended."""
    return sorted((t for t in result.trials if t.attempts), key=lambda t: t.order or 0)


@contextmanager
def folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made:
        yield made


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def row(values: Sequence[float], digits: int = 2) -> str:
    """Median, smallest, largest."""
    return "".join(f"{value:10.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
