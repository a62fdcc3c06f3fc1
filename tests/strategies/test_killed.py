"""`kill -9` of a search with one worker, at random moments: every strategy goes on as if nothing had been."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import chaos
import pytest

from raynas import plugins

SMALL: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"startup_trials": 4},
    "gp": {"startup_trials": 4},
    "cma_es": {"population_size": 4},
    "nsga2": {"population_size": 4},
    "bohb": {"random_fraction": 0.1},
    "bananas": {"startup_trials": 4, "ensemble": 2, "refit": 3, "hidden": (8,), "epochs": 10},
    "regularized_evolution": {"population_size": 5, "tournament_size": 2},
}
"""Arguments with which a strategy does early what it is for."""

NAMES = sorted(entry.name for entry in plugins.registered() if isinstance(entry.found, type))


def search(folder: str, strategy: str, seconds: float) -> None:
    """A whole search, or the rest of one; runs in a process of its own, to be killed."""
    trials = 8 if strategy == "gp" else 14
    settings = {"strategy": strategy, "strategy_arguments": SMALL.get(strategy, {}), "max_trials": trials}
    chaos.experiment(Path(folder), engine="local", arguments={"seconds": seconds}, **settings).run()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_samples_are_those_of_an_undisturbed_run(tmp_path: Path, name: str) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    search(str(whole), name, 0)
    reference = chaos.experiment(whole, strategy=name, strategy_arguments=SMALL.get(name, {})).result()

    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 1)
    context = multiprocessing.get_context("forkserver")  # one process imports everything, and is copied
    context.set_forkserver_preload(["tiny", "chaos", "raynas.experiment", "raynas.engine.local_engine"])
    for _ in range(3):
        seen = len(chaos.told(log))
        process = context.Process(target=search, args=(str(tmp_path), name, 0.05))
        process.start()

        def begun(process: Any = process, seen: int = seen) -> bool:
            return len(chaos.told(log)) > seen or not process.is_alive()

        chaos.wait_until(begun)
        time.sleep(chance.uniform(0, 0.3))
        if process.is_alive():
            witness.look()
            process.kill()
        process.join()
    search(str(tmp_path), name, 0.05)
    found = witness.check(sum(t.twin is None for t in reference.trials), reference)
    told = [
        [(t.number, t.key.fingerprint, t.budget, t.warm_start, t.note, t.twin, t.order) for t in trials]
        for trials in (found, reference.trials)
    ]
    assert told[0] == told[1]
