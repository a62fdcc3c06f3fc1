"""How good strategies are on made-up landscapes: median and spread of the best value, over seeds.

    python benchmarks/strategies.py --trials 100 --seeds 9
    python benchmarks/strategies.py --strategies random tpe asha --landscapes smooth

Nothing is trained: a landscape is a function of the sample (and of the budget, for those that stop trainings early),
and all strategies pay the same: as much training as `--trials` whole ones. No value is above 0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from math import log2
from random import Random
from statistics import median, quantiles
from typing import Any
from zlib import crc32

from raynas import (
    Categorical,
    Condition,
    History,
    IntUniform,
    Proposal,
    Sample,
    SearchSpace,
    Strategy,
    Trial,
    Uniform,
    plugins,
)
from raynas.testing import simulate

WHOLE = 9
"""The budget of a whole training; one of less sees the landscape through noise."""

NAMES = ["random", "regularized_evolution", "local_search", "aging_pareto", "reinforce", "ppo"]
NAMES += ["tpe", "cma_es", "nsga2", "bananas", "asha", "hyperband", "bohb"]


def chance(text: str) -> float:
    """A number from 0 to 1 that the text decides."""
    return crc32(text.encode()) / 2**32


def cell(sample: Mapping[str, Any]) -> float:
    """Twelve choices of nine widths: each has its own best, and neighbours are alike."""
    return -sum(abs(log2(int(width)) - 7 * chance(label)) for label, width in sample.items()) / len(sample)


def rugged(sample: Mapping[str, Any]) -> float:
    """Choices that depend on each other: a part of the value for each pair of neighbours is drawn by lot."""
    values = list(map(str, sample.values()))
    pairs = [chance(f"{place}{a}/{b}") for place, (a, b) in enumerate(pairwise(values))]
    return sum(pairs) / len(pairs) - 1


def branches(sample: Mapping[str, Any]) -> float:
    """Numbers below a choice: two of three branches end in a local optimum."""
    if sample["optimizer"] == "sgd":
        return -abs(log2(sample["rate"]) + 4) / 4 - abs(sample["momentum"] - 0.9)
    if sample["optimizer"] == "adam":
        return -0.2 - abs(log2(sample["rate"]) + 9) / 4 - abs(sample["warmup"] - 40) / 100
    return -0.7


def _branches() -> SearchSpace:
    some = (Condition("optimizer", ("sgd", "adam")),)
    return SearchSpace(
        [
            Categorical("optimizer", candidates=("rprop", "adam", "sgd")),
            Uniform("rate", (some,), low=2**-14, high=1.0, log=True),
            Uniform("momentum", ((Condition("optimizer", ("sgd",)),),), low=0.0, high=1.0),
            IntUniform("warmup", ((Condition("optimizer", ("adam",)),),), low=0, high=100),
        ]
    )


LANDSCAPES: dict[str, tuple[SearchSpace, Callable[[Mapping[str, Any]], float]]] = {
    "smooth": (
        SearchSpace([Categorical(f"w{i}", candidates=tuple(2**k for k in range(9))) for i in range(12)]),
        cell,
    ),
    "rugged": (SearchSpace([Categorical(f"op{i}", candidates=tuple("abcde")) for i in range(10)]), rugged),
    "branches": (_branches(), branches),
}


class Purse(Strategy):
    """Asks a strategy as long as there is something left to spend."""

    def __init__(self, strategy: Strategy, limit: float) -> None:
        self.strategy = strategy
        self.left = limit

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return self.strategy.ask(space, history, rng) if self.left > 0 else None


def run(strategy: Strategy, landscape: str, trials: int, seed: int, workers: int) -> float:
    """The best value among whole trainings, when as much as `trials` of them has been spent."""
    space, value = LANDSCAPES[landscape]
    purse = Purse(strategy, trials * WHOLE)

    def objective(trial: Trial) -> float:
        budget = trial.budget or WHOLE
        # What goes on from a lower rung, a third of its budget, has paid for that before.
        purse.left -= budget if trial.warm_start is None else budget * 2 / 3
        noise = Random(f"{seed}/{trial.sample.to_json()}/{budget}").gauss(0, 0.03)
        return value(trial.sample) + noise * (WHOLE / budget - 1)

    history = simulate(purse, space, objective, trials=trials * WHOLE, workers=workers, seed=seed)
    whole = [trial for trial in history.completed if (trial.budget or WHOLE) >= WHOLE]
    return max((value(trial.sample) for trial in whole), default=float("-inf"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", default=NAMES)
    parser.add_argument("--landscapes", nargs="+", default=list(LANDSCAPES), choices=list(LANDSCAPES))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=9)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    for landscape in options.landscapes:
        print(f"{landscape}: best of {options.trials} trainings, {options.workers} workers, {options.seeds} seeds")
        for name in options.strategies:
            begun = time.perf_counter()
            best = [
                run(plugins.make(name), landscape, options.trials, seed, options.workers)
                for seed in range(options.seeds)
            ]
            low, _, high = quantiles(best, n=4)
            seconds = (time.perf_counter() - begun) / options.seeds
            print(f"  {name:22} {median(best):8.3f}   quartiles {low:7.3f} to {high:7.3f}   {seconds:6.2f} s a search")


if __name__ == "__main__":
    main()
