"""What a dataset costs: bytes that a trial moves, by the object store's own counters.

    python -m benchmarks.data [--megabytes 200] [--trials 20] [--workers 2]

A dataset of random numbers is given to a `FunctionalEvaluator` as arrays, and as a recipe; each trial reads all of it.
Before and after the search, Ray's object store says how many bytes were ever put into it; and the workers say where in
their memory the dataset lay: in as many places as there are workers, if it is mapped, or built, once in each.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from typing import Any

import numpy
import ray
from ray._private.internal_api import get_memory_info_reply, get_state_from_address
from torch import nn

import raynas
from raynas import ModelSpace, ValueChoice

WIDTH = 1000


class Space(ModelSpace):
    """Many different candidates that cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, ValueChoice(list(range(1, 1001)), label="width"))

    def forward(self, x: Any) -> Any:
        return self.layer(x)


def made(megabytes: int) -> numpy.ndarray:
    """The dataset, drawn anew."""
    return numpy.random.default_rng(0).random((megabytes * 125, WIDTH))


def read(model: nn.Module, data: numpy.ndarray) -> dict[str, float]:
    """Reads all of the data; says which process did, and where in its memory the data lay."""
    return {
        "value": float(data.sum()) + sum(p.numel() for p in model.parameters()),
        "process": float(os.getpid()),
        "place": float(data.__array_interface__["data"][0]),
    }


def created() -> tuple[int, int]:
    """How many bytes and objects were ever put into the object store."""
    address = ray.get_runtime_context().gcs_address
    stats = get_memory_info_reply(get_state_from_address(address)).store_stats
    return stats.cumulative_created_bytes, stats.cumulative_created_objects


def search(evaluator: raynas.Evaluator, trials: int, folder: str, name: str) -> tuple[raynas.Result, float]:
    begun = time.perf_counter()
    made = raynas.Experiment(
        Space(), evaluator, "random", objective="value", max_trials=trials, storage_path=folder, name=name
    )
    return made.run(), time.perf_counter() - begun


def report(name: str, evaluator: raynas.Evaluator, trials: int, folder: str, size: int) -> None:
    before = created()
    result, seconds = search(evaluator, trials, folder, name)
    moved = created()[0] - before[0]
    ended = [trial.metrics for trial in result.trials if trial.metrics]
    workers = {metrics["process"] for metrics in ended}
    places = {(metrics["process"], metrics["place"]) for metrics in ended}
    print(
        f"{name:7} {len(ended)} trials in {seconds:.1f} s on {len(workers)} workers: "
        f"{moved / 1e6:,.1f} MB into the object store ({moved / size:.2f} datasets), "
        f"{moved / len(ended) / 1e6:,.2f} MB per trial; the data lay in {len(places)} places in the workers"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    warnings.simplefilter("ignore", raynas.Notice)
    ray.init(num_cpus=given.workers, include_dashboard=False, log_to_driver=False)
    size = given.megabytes * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        data = made(given.megabytes)
        print(f"a dataset of {data.nbytes / 1e6:,.0f} MB")
        report("arrays", raynas.FunctionalEvaluator(read, data=data), given.trials, folder, size)
        recipe = raynas.FunctionalEvaluator(read, data=raynas.serialize(made, given.megabytes))
        report("recipe", recipe, given.trials, folder, size)
    ray.shutdown()


if __name__ == "__main__":
    main()
