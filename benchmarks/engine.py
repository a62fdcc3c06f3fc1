"""What the engine costs: trials that do nothing, through the whole path, beside Ray Tune and a bare loop over tasks.

    python benchmarks/engine.py [--repeats 5] [--trials 1000] [--flat 20000]

The arms are interleaved. Milliseconds per trial by the clock: for raynas from the end of the first fifth of a search to
its last end, so that starts are left out; for the bare loop, 16 tasks in flight, over all of it; for Ray Tune with its
start. `--flat N` makes one long search instead, and compares its deciles; resident memory is read from /proc.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
from common import Net, folder, load, noop, ray_with, row, searched, torch, trained

from examples.spaces.nas_bench_201 import NasBench201
from raynas import Experiment
from raynas.engine import ExecutionEngine, Resources, Workplace
from raynas.engine.ray_engine import RayEngine, RaySession
from raynas.evaluator import FunctionalEvaluator
from raynas.experiment.assembly import designs_of
from raynas.experiment.hosted import HostedSearch
from raynas.plugins import make
from raynas.search import Planner
from raynas.trial import Ledger, Proposed, Trial, begin

FLIGHT = 16


class Unbatched(HostedSearch):
    """A search with one trial to a task."""

    def _engine(self, place: Workplace, resources: Resources) -> ExecutionEngine:
        self.engine = RayEngine(place, resources, batches=False)
        return self.engine


def bare(ray: Any, trials: int) -> float:
    @ray.remote
    def nothing(number: int) -> int:
        return number

    ray.get([nothing.remote(0) for _ in range(20)])
    begun = time.perf_counter()
    open_ = [nothing.remote(number) for number in range(FLIGHT)]
    sent = FLIGHT
    while open_:
        done, open_ = ray.wait(open_)
        ray.get(done)
        if sent < trials:
            open_.append(nothing.remote(sent))
            sent += 1
    return 1000 * (time.perf_counter() - begun) / trials


def raynas(trials: int) -> float:
    with folder() as place:
        done = trained(searched(place, trials))
    return pace(done[len(done) // 5 :])


def unbatched(trials: int) -> float:
    host = RaySession.host

    def hosted(session: RaySession, factory: str, *rest: Any, **named: Any) -> Any:
        return host(session, "engine:Unbatched", *rest, **named)

    RaySession.host = hosted  # type: ignore[method-assign]  # there is no public switch, and none is needed
    try:
        return raynas(trials)
    finally:
        RaySession.host = host  # type: ignore[method-assign]  # as it was


def pace(trials: list[Trial]) -> float:
    """Milliseconds from end to end."""
    ends = sorted(trial.ended or 0.0 for trial in trials)
    return 1000 * (ends[-1] - ends[0]) / (len(ends) - 1)


def tune(trials: int, function: bool) -> float:
    from ray import tune

    class Noop(tune.Trainable):  # type: ignore[misc]  # Ray's own is untyped
        def step(self) -> dict[str, Any]:
            return {"score": 0.5, "done": True}

        def reset_config(self, new_config: Any) -> bool:
            return True

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            return None

        def load_checkpoint(self, checkpoint: Any) -> None:
            return None

    def call(config: Any) -> None:
        tune.report({"score": 0.5})

    space = {domain.label: tune.choice(list(domain.candidates)) for domain in choices()}
    with folder() as place:
        config = tune.TuneConfig(num_samples=trials, reuse_actors=not function)
        run = tune.RunConfig(storage_path=place, verbose=0, checkpoint_config=tune.CheckpointConfig())
        begun = time.perf_counter()
        tune.Tuner(call if function else Noop, param_space=space, tune_config=config, run_config=run).fit()
        return 1000 * (time.perf_counter() - begun) / trials


def choices() -> Any:
    from raynas import trace

    return trace(Net()).search_space


def compare(repeats: int, trials: int) -> None:
    with ray_with(2) as ray:
        arms: dict[str, Callable[[], float]] = {
            "bare loop": lambda: bare(ray, trials),
            "raynas": lambda: raynas(trials),
            "raynas, one trial to a task": lambda: unbatched(trials),
            "Tune, class, actors reused": lambda: tune(60, False),
            "Tune, function": lambda: tune(4, True),
        }
        measured: dict[str, list[float]] = {name: [] for name in arms}
        print(load())
        for repeat in range(repeats):
            for name, arm in arms.items():
                measured[name].append(arm())
            print(f"{repeat}: " + ", ".join(f"{name} {each[-1]:.2f}" for name, each in measured.items()), flush=True)
    print(f"{load()}\n{'ms per trial':30}{'median':>10}{'min':>10}{'max':>10}{'× bare':>10}")
    base = measured["bare loop"]
    for name, values in measured.items():
        ratio = statistics.median(mine / other for mine, other in zip(values, base, strict=True))
        print(f"{name:30}{row(values)}{ratio:10.1f}")


def flat(trials: int) -> None:
    """One long search: is it as fast at its end, and what does it keep?"""
    seen: list[tuple[float, float, int, int]] = []
    stored: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            (spent, size), (_, worker) = largest("ray::Host"), largest("ray::raynas.trial")
            seen.append((time.time(), spent, size, worker))
            there, free = ray.cluster_resources(), ray.available_resources()
            stored.append((there["object_store_memory"] - free.get("object_store_memory", 0.0)) / 2**20)

    with ray_with(2) as ray, folder() as place:
        print(load())
        threading.Thread(target=watch, daemon=True).start()
        done = trained(searched(place, trials))
        size = (Path(place) / "run" / "search.db").stat().st_size
        over.set()
    tenth = len(done) // 10
    parts = [done[start : start + tenth] for start in range(0, 10 * tenth, tenth)]
    print(load())
    for name, deciles in (
        ("ms per trial, by the clock", [pace(part) for part in parts]),
        ("ms of the actor's CPU time", [cpu(part, seen) for part in parts]),
    ):
        print(f"{name}, by deciles: {' '.join(f'{each:.2f}' for each in deciles)}; {deciles[-1] / deciles[0]:.2f}")
    print(f"{size / len(done):.0f} bytes a trial in the store, sources included")
    print(f"object store: {max(stored):.1f} MB at most, {stored[-1]:.1f} at the end")
    for at in range(len(seen) // 20, len(seen), max(1, len(seen) // 10)):
        print("resident MB: actor {:.0f}, largest worker {:.0f}".format(*(each / 1024 for each in seen[at][2:])))


def planner(candidates: int) -> None:
    """What a candidate costs the planner, and how many workers that can keep busy."""
    cell: dict[str, Any] = {"constraints": {"params": "<=10M", "flops": "<=1G"}}
    print(
        f"{load()}\n{'ms of the planner per candidate':40}{'median':>10}{'min':>10}{'max':>10}  workers, trials of 1 s"
    )
    for name, space, example, changes in (
        ("30 nodes", Net(), None, {}),
        ("NAS-Bench-201's network, constraints", NasBench201(), torch.zeros(1, 3, 32, 32), cell),
    ):
        with folder() as place:
            evaluator = FunctionalEvaluator(noop, example_inputs=example)
            experiment = Experiment(space, evaluator, "random", objective="score", storage_path=place, **changes)
            pickles: dict[str, Any] = {}
            designs = designs_of(experiment.definition(pickles), pickles)
        plan, ledger, spent = Planner(make("random", {}), designs, 0), Ledger({"score": "max"}), []
        for number in range(candidates):
            begun = time.process_time()
            planned = plan.plan(number, ledger.freeze())
            spent.append(1000 * (time.process_time() - begun))
            assert planned.sample is not None and planned.key is not None, planned
            ledger.put(begin(Proposed(number, 0.0, planned.sample, planned.key)))
        later = spent[len(spent) // 5 :]
        print(f"{name:40}{row(later)}{1000 / statistics.median(later):12.0f}")


def cpu(part: list[Trial], seen: list[tuple[float, float, int, int]]) -> float:
    """Milliseconds of CPU time that the actor spent on each of these trials."""
    times, spent = [each[0] for each in seen if each[1]], [each[1] for each in seen if each[1]]
    first, last = (numpy.interp(trial.ended or 0.0, times, spent) for trial in (part[0], part[-1]))
    return float(1000 * (last - first) / (len(part) - 1))


def largest(name: str) -> tuple[float, int]:
    """CPU seconds and resident kilobytes of the largest process with this name."""
    found = (0.0, 0)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if name in (process / "cmdline").read_text():
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                found = max(found, (spent, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024))
        except OSError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--planner", type=int, help="plan so many candidates instead")
    parser.add_argument("--flat", type=int, help="one search of so many trials")
    given = parser.parse_args()
    if given.planner:
        planner(given.planner)
    elif given.flat:
        flat(given.flat)
    else:
        compare(given.repeats, given.trials)


if __name__ == "__main__":
    main()
