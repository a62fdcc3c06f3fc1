"""The digits search from beginning to end, by raynas and by Ray Tune: the same trainings with the same seeds.

    python benchmarks/end_to_end.py [--repeats 3] [--trials 40]

raynas searches at random, so that neither side depends on who ends first. Ray Tune does the same trainings, from the
same source texts, in its own best way: the class API with reused actors, without loggers and checkpoints. The sides
take turns in being first. Seconds by the clock, Ray's start included; what this process imports is imported before. To
compare starts, read «first»: what a worker imports is a part of Ray Tune's first trainings, and done before raynas's.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from common import ROOT, folder, load, ray_with, row, trained
from ray import tune  # here, as all imports, so that neither side pays for them

import raynas.engine.ray_engine
import raynas.evaluator.lightning  # noqa: F401  # for the same reason
from raynas import Experiment, serializer
from raynas.config import read, settings
from raynas.config.making import make
from raynas.engine import Job, Workplace
from raynas.engine.worker import work
from raynas.experiment.assembly import designs_of
from raynas.plugins import make as plugin
from raynas.search import Planner, training_seed
from raynas.serializer import Bytes
from raynas.trial import Finished, Ledger, Proposed, begin

METRIC = "val_accuracy"
CPUS = 2


@dataclass
class Measured:
    """One search, in seconds.

    Attributes:
        total: in all.
        cpu: of the processor, by all its processes; other work on the machine does not change it much.
        start: until the first training begins.
        first: until the first training has ended.
        training: what the trainings took, on each worker.
        dispatch: the rest.
        to_best: until the best training has ended.
        best: that one's accuracy.
        shared: how many proposals had the result of an equal one.
    """

    total: float
    cpu: float
    start: float
    first: float
    training: float
    dispatch: float
    to_best: float
    best: float
    shared: int


def experiment(seed: int, trials: int, place: str) -> Experiment:
    values = {**read(str(ROOT / "configs" / "digits.yaml")), "seed": seed, "max_trials": trials, "name": "run"}
    return make(settings({**values, "strategy": "random", "storage_path": place}))


def trainings(seed: int, trials: int, place: str) -> tuple[list[Job], Workplace]:
    """What a search will train: the first proposals that are different networks."""
    pickles: dict[str, Bytes] = {}
    definition = experiment(seed, trials, place).definition(pickles)
    planner = Planner(plugin("random", {}), designs_of(definition, pickles), seed)
    ledger = Ledger({METRIC: "max"})
    jobs: dict[Any, Job] = {}
    for number in count():
        if len(jobs) == trials:
            break
        plan = planner.plan(number, ledger.freeze())
        assert plan.sample is not None and plan.key is not None, plan
        ledger.put(begin(Proposed(number, 0.0, plan.sample, plan.key)))
        if plan.source is not None:
            evaluator = serializer.resolve(definition.evaluator, plan.sample)
            jobs.setdefault(plan.key, Job(number, 1, plan.source, evaluator, training_seed(seed, plan.key)))
    return list(jobs.values()), Workplace(place, trust=definition.trust, path=definition.path)


def by_raynas(seed: int, jobs: list[Job], place: str) -> Measured:
    begun, clock = time.perf_counter(), time.time()
    with accounts() as spent, ray_with(CPUS):
        result = experiment(seed, len(jobs), place).run()
        cpu = spent()
    total = time.perf_counter() - begun
    done = trained(result)
    assert {trial.number for trial in done} == {job.trial for job in jobs}, "both sides train the same"
    start = min(trial.started or 0.0 for trial in done) - clock
    first = min(trial.ended or 0.0 for trial in done) - clock
    training = sum(trial.seconds for trial in done) / CPUS
    best = max(trial.metrics[METRIC] for trial in done)
    to_best = min(trial.ended or 0.0 for trial in done if trial.metrics[METRIC] == best) - clock
    shared = sum(trial.twin is not None for trial in result.trials)
    return Measured(total, cpu, start, first, training, total - start - training, to_best, best, shared)


def by_tune(jobs: list[Job], workplace: Workplace) -> Measured:
    begun, clock = time.perf_counter(), time.time()
    with accounts() as spent, ray_with(CPUS) as ray, folder() as place:

        class Training(tune.Trainable):  # type: ignore[misc]  # Ray's own is untyped
            def setup(self, config: dict[str, Any]) -> None:
                self.todo = config

            def reset_config(self, new_config: dict[str, Any]) -> bool:
                self.todo = new_config
                return True

            def step(self) -> dict[str, Any]:
                at = time.time()
                job = ray.get(self.todo["jobs"])[self.todo["number"]]
                outcome = work(job, self.todo["place"], lambda _: False)
                assert isinstance(outcome, Finished), outcome
                return {METRIC: outcome.metrics[METRIC], "at": at, "until": time.time(), "done": True}

            def save_checkpoint(self, checkpoint_dir: str) -> None:
                return None

            def load_checkpoint(self, checkpoint: Any) -> None:
                return None

        space = {"number": tune.grid_search(list(range(len(jobs)))), "jobs": ray.put(jobs), "place": workplace}
        config = tune.TuneConfig(reuse_actors=True)
        run = tune.RunConfig(storage_path=place, verbose=0)
        found = [
            each.metrics for each in tune.Tuner(Training, param_space=space, tune_config=config, run_config=run).fit()
        ]
        cpu = spent()
    total = time.perf_counter() - begun
    start = min(each["at"] for each in found) - clock
    first = min(each["until"] for each in found) - clock
    training = sum(each["until"] - each["at"] for each in found) / CPUS
    best = max(each[METRIC] for each in found)
    to_best = min(each["until"] for each in found if each[METRIC] == best) - clock
    return Measured(total, cpu, start, first, training, total - start - training, to_best, best, 0)


@contextmanager
def accounts() -> Iterator[Callable[[], float]]:
    """CPU seconds of this process and of all below it since then; it looks five times a second, for they go."""
    spent: dict[int, float] = {}
    over = threading.Event()

    def look() -> None:
        spent.update(processes())

    def watch() -> None:
        while not over.wait(0.2):
            look()

    look()
    before = sum(spent.values())
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield lambda: sum(spent.values()) - before
    over.set()
    watcher.join()


def processes() -> dict[int, float]:
    """CPU seconds of this process and of all that it has begun, and that those have begun."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(process.name))
            spent[int(process.name)] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    found = [os.getpid()]
    for parent in found:
        found += children.get(parent, ())
    return {process: spent[process] for process in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    measured: dict[str, list[Measured]] = {"raynas": [], "Ray Tune": []}
    print(load())
    for seed in range(given.first, given.first + given.repeats):
        with folder() as place:
            jobs, workplace = trainings(seed, given.trials, place)
            sides: dict[str, Callable[[], Measured]] = {
                "raynas": partial(by_raynas, seed, jobs, place),
                "Ray Tune": partial(by_tune, jobs, workplace),
            }
            for name in sorted(sides, reverse=seed % 2 == 0):
                measured[name].append(sides[name]())
        print(f"{seed}: {measured['raynas'][-1]}\n   {measured['Ray Tune'][-1]}", flush=True)
    print(f"{load()}\n{'seconds':22}{'median':>10}{'min':>10}{'max':>10}")
    for part in ("total", "cpu", "start", "first", "training", "dispatch", "to_best", "best", "shared"):
        for name, each in measured.items():
            print(f"{name + ', ' + part:22}{row([float(getattr(one, part)) for one in each], 3)}")


if __name__ == "__main__":
    main()
