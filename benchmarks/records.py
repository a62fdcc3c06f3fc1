"""A hundred thousand trials: how long until a search that has them goes on, and how much room they take.

    python benchmarks/records.py [--trials 100000]

Opening the store, resuming and proposing the next trial, beside parsing the same records from JSON lines; seconds of
this process's own CPU time, interleaved. Beside that, what is sent to a worker for one trial of a 200-node network.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import Net, folder, load, row, torch

from examples.spaces.nas_bench_201 import NasBench201
from raynas import GraphSpace, Sample, to_source, trace
from raynas.engine import Job, Keep
from raynas.engine.ray_engine.errand import packed
from raynas.evaluator import FunctionalEvaluator
from raynas.graph import simplify
from raynas.plugins import make
from raynas.search import Rules, SearchState
from raynas.serializer import dumps
from raynas.store import Store
from raynas.strategy import consult, generator
from raynas.trial import Finished, Proposed, Started, Trial, TrialKey, advance, begin

OBJECTIVES = {"val_accuracy": "max"}


def trial(number: int, sample: Sample, rng: random.Random) -> Trial:
    """A finished one, with numbers as long as real ones."""
    at = 1.7e9 + number / 1000
    made = begin(Proposed(number, at, sample, TrialKey(f"{rng.getrandbits(256):064x}", f"{7:032x}", f"{8:032x}")))
    metrics = {"val_accuracy": rng.random(), "val_loss": rng.random()}
    running = advance(made, Started(number, at + rng.random(), 1))
    return advance(running, Finished(number, at + rng.random(), 1, metrics, rng.random()), number)


def cpu(function: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()
    begun = time.process_time()
    value = function()
    return time.process_time() - begun, value


def records(count: int, repeats: int) -> None:
    rng = random.Random(0)
    space = trace(Net()).search_space
    with folder() as place:
        path = Path(place) / "search.db"
        with Store.create(path, {}, "run") as store:
            epoch = store.new_epoch("benchmark")
            for start in range(0, count, 1000):
                numbers = range(start, min(count, start + 1000))
                store.commit(epoch, [trial(number, space.random(rng), rng) for number in numbers])
        print(f"{count:,} trials, {path.stat().st_size / count:.0f} bytes each; {load()}")

        def resume(name: str) -> list[Trial]:
            with Store.open(path, readonly=True) as store:
                found = store.trials()
            state = SearchState(Rules(OBJECTIVES), found)  # type: ignore[arg-type]  # "max" is a direction
            proposed = consult(make(name, {}), space, state.ledger.freeze(), generator(0, count))
            assert proposed is not None
            return found

        lines = [json.dumps({**asdict(each), "sample": dict(each.sample)}) for each in resume("random")]
        names = ("random", "regularized_evolution", "asha")
        taken: dict[str, list[float]] = {name: [] for name in ("JSON lines", *names)}
        for _ in range(repeats):
            taken["JSON lines"].append(cpu(lambda: [json.loads(line) for line in lines])[0])
            for name in names:
                taken[name].append(cpu(lambda name=name: resume(name))[0])
    print(f"{'seconds':25}{'median':>10}{'min':>10}{'max':>10}   largest ratio")
    for name, values in taken.items():
        ratio = max(mine / other for mine, other in zip(values, taken["JSON lines"], strict=True))
        print(f"{name:25}{row(values)}{ratio:12.2f}")


def sent() -> None:
    """Bytes of a task, for one job and for each of sixteen."""
    graphs: GraphSpace = trace(NasBench201())
    evaluator = dumps(FunctionalEvaluator(torch.relu))
    rng = random.Random(0)
    jobs = []
    for number in range(16):
        source = to_source(simplify(graphs.freeze(graphs.search_space.random(rng))))
        keep = Keep(f"weights/{number}-1-1.safetensors", "val_accuracy", "max", 0.5)
        jobs.append(Job(number, 1, source, evaluator, 7, 3.0, keep=keep, checkpoint=f"states/{number}.pt"))
    alone = max(len(packed([job])) for job in jobs)
    text = max(len(job.source) for job in jobs)
    print(f"sent for a trial of NAS-Bench-201's network: {alone:,} bytes (its source: {text:,} characters);")
    print(f"for each of 16 in a task: {len(packed(jobs)) / 16:,.0f} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    sent()
    records(given.trials, given.repeats)


if __name__ == "__main__":
    main()
