"""Does searching pay? The best of a digits search against the default sample, over several seeds.

    python benchmarks/digits.py

Both are validation accuracies of trainings with the same evaluator; a search's is the best of its trials, which is a
little flattered by having been chosen, so the test accuracy of what was chosen stands beside it. The test images are
used for nothing else. Exit status 1 where the median of the searches does not beat that of the default sample.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from raynas import Experiment, Result
from raynas.cli.display import duration
from raynas.config import read, settings
from raynas.config.making import make

CONFIG = str(ROOT / "configs" / "digits.yaml")
METRIC = "val_accuracy"


def searched(seed: int, trials: int, folder: str, **changes: Any) -> Result:
    """The result of a search with this seed."""
    values = {**read(CONFIG), "seed": seed, "max_trials": trials, "storage_path": folder, **changes}
    experiment: Experiment = make(settings(values))
    return experiment.run()


def test_accuracy(result: Result) -> float:
    """Of the weights that the search kept of its best trial."""
    from examples.digits_winner import accuracy

    return accuracy(result.best.load())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--json", help="a file for the numbers")
    given = parser.parse_args()
    measured: dict[str, list[float]] = {name: [] for name in ("default", "search", "default test", "search test")}
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        space = make(settings({**read(CONFIG), "storage_path": folder})).search_space
        for seed in range(given.seeds):
            only = {"initial_samples": [dict(space.default())], "strategy": "random", "engine": "local"}
            default = searched(seed, 1, folder, name=f"default-{seed}", **only)
            best = searched(seed, given.trials, folder, name=f"search-{seed}")
            for name, result in (("default", default), ("search", best)):
                measured[name].append(result.best.metrics[METRIC])
                measured[f"{name} test"].append(test_accuracy(result))
            print(
                f"seed {seed}: default {measured['default'][-1]:.4f}, search {measured['search'][-1]:.4f}", flush=True
            )
    took = duration(time.perf_counter() - begun)
    print(f"load {os.getloadavg()[0]:.1f} after {took}; {given.trials} trials, {given.seeds} seeds")
    print(f"{'':14}{'median':>8}{'min':>8}{'max':>8}{'spread':>8}")
    for name, values in measured.items():
        low, high = min(values), max(values)
        print(f"{name:14}{statistics.median(values):8.4f}{low:8.4f}{high:8.4f}{high - low:8.4f}")
    if given.json:
        Path(given.json).write_text(json.dumps(measured, indent=1))
    return 0 if statistics.median(measured["search"]) > statistics.median(measured["default"]) else 1


if __name__ == "__main__":
    sys.exit(main())
