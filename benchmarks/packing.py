"""How well workers are kept busy: max(Σ/k, longest)/makespan of trials that sleep.

    python benchmarks/packing.py [--repeats 5] [--only "16 workers"]

Each arm is a search in a Ray whose workers are warm, measured from its first proposal to its last end; Σ and the
longest are what the trials slept by their own clock. No strategy here waits for a rung or a generation to be complete.
"""

from __future__ import annotations

import argparse
from typing import Any

from common import folder, load, ray_with, row, searched, sleep, trained

ARMS: dict[str, tuple[int, int, dict[str, Any], dict[str, Any]]] = {
    "0.5 s, 2 workers": (2, 80, {"seconds": 0.5}, {}),
    "50 ms, 2 workers": (2, 160, {"seconds": 0.05}, {}),
    "lognormal (σ=1, median 0.25 s), 2 workers": (2, 80, {"seconds": 0.25, "sigma": 1.0}, {}),
    "asha, 0.1 s an epoch, 2 workers": (2, 100, {"seconds": 0.1}, {"strategy": "asha", "strategy_arguments": {}}),
    "0.5 s, 16 workers": (16, 640, {"seconds": 0.5}, {}),
}
"""Workers, trials, what each trial does, and the rest of the experiment."""


def packing(workers: int, trials: int, arguments: dict[str, Any], changes: dict[str, Any]) -> float:
    with folder() as place:
        done = trained(searched(place, trials, sleep, arguments=arguments, **changes))
    slept = [trial.metrics["slept"] for trial in done]
    makespan = max(trial.ended or 0.0 for trial in done) - min(trial.proposed for trial in done)
    return max(sum(slept) / workers, max(slept)) / makespan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="arms whose names hold this")
    given = parser.parse_args()
    arms = {name: arm for name, arm in ARMS.items() if given.only in name}
    measured: dict[str, list[float]] = {name: [] for name in arms}
    print(load())
    for workers in sorted({arm[0] for arm in arms.values()}):
        with ray_with(workers):
            packing(workers, 6 * workers, {"seconds": 0.2}, {})
            for _ in range(given.repeats):
                for name, arm in arms.items():
                    if arm[0] == workers:
                        measured[name].append(packing(*arm))
                        print(f"{name}: {measured[name][-1]:.3f}, {load()}", flush=True)
    print(f"{'':45}{'median':>10}{'min':>10}{'max':>10}")
    for name, values in measured.items():
        print(f"{name:45}{row(values, 3)}")


if __name__ == "__main__":
    main()
