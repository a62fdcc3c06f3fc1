"""The digits search from beginning to end, by raynas and by Ray Tune: the same trainings with the same seeds.

    python benchmarks/end_to_end.py [--repeats 3] [--trials 40]

raynas searches at random, so that neither side depends on who ends first. Ray Tune then does what raynas trained, from
the same source texts, in its own best way: the class API with reused actors, without loggers and checkpoints. Seconds
by the clock, Ray's start included; what this process imports is imported before.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

from common import ROOT, folder, load, ray_with, row, trained

import raynas.evaluator.lightning  # noqa: F401  # here, so that neither side pays for it
from raynas import Experiment, serializer
from raynas.config import read, settings
from raynas.config.making import make
from raynas.engine import Job, Workplace
from raynas.engine.worker import work
from raynas.search import training_seed
from raynas.store import Store
from raynas.trial import Finished

METRIC = "val_accuracy"
CPUS = 2


@dataclass
class Measured:
    """One search, in seconds: in all, until the first training, training on each worker, the rest, to the best."""

    total: float
    start: float
    training: float
    dispatch: float
    to_best: float
    best: float
    shared: int


def by_raynas(seed: int, trials: int, place: str) -> tuple[Measured, list[Job], Workplace]:
    values = {**read(str(ROOT / "configs" / "digits.yaml")), "seed": seed, "max_trials": trials, "name": "run"}
    begun, clock = time.perf_counter(), time.time()
    with ray_with(CPUS):
        made: Experiment = make(settings({**values, "strategy": "random", "storage_path": place}))
        result = made.run()
    total = time.perf_counter() - begun
    done = trained(result)
    definition = made.definition({})
    with Store.open(made.place.store, readonly=True) as store:
        jobs = [
            Job(
                trial.number,
                1,
                store.source(trial.key.fingerprint) or "",
                serializer.resolve(definition.evaluator, trial.sample),
                training_seed(seed, trial.key),
            )
            for trial in sorted(done, key=lambda trial: trial.number)
        ]
    start = min(trial.started or 0.0 for trial in done) - clock
    training = sum(trial.seconds for trial in done) / CPUS
    best = max(trial.metrics[METRIC] for trial in done)
    to_best = min(trial.ended or 0.0 for trial in done if trial.metrics[METRIC] == best) - clock
    shared = sum(trial.twin is not None for trial in result.trials)
    measured = Measured(total, start, training, total - start - training, to_best, best, shared)
    return measured, jobs, Workplace(place, trust=tuple(definition.trust), path=tuple(definition.path))


def by_tune(jobs: list[Job], workplace: Workplace) -> Measured:
    begun, clock = time.perf_counter(), time.time()
    with ray_with(CPUS) as ray, folder() as place:
        from ray import tune

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
    total = time.perf_counter() - begun
    start = min(each["at"] for each in found) - clock
    training = sum(each["until"] - each["at"] for each in found) / CPUS
    best = max(each[METRIC] for each in found)
    to_best = min(each["until"] for each in found if each[METRIC] == best) - clock
    return Measured(total, start, training, total - start - training, to_best, best, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=40)
    given = parser.parse_args()
    measured: dict[str, list[Measured]] = {"raynas": [], "Ray Tune": []}
    print(load())
    for seed in range(given.repeats):
        with folder() as place:
            ours, jobs, workplace = by_raynas(seed, given.trials, place)
            measured["raynas"].append(ours)
            measured["Ray Tune"].append(by_tune(jobs, workplace))
        print(f"{seed}: {measured['raynas'][-1]}\n   {measured['Ray Tune'][-1]}", flush=True)
    print(f"{load()}\n{'seconds':22}{'median':>10}{'min':>10}{'max':>10}")
    for part in ("total", "start", "training", "dispatch", "to_best", "best", "shared"):
        for name, each in measured.items():
            print(f"{name + ', ' + part:22}{row([float(getattr(one, part)) for one in each], 3)}")


if __name__ == "__main__":
    main()
