"""One search, with 1, 2 and 4 workers: on this machine, or, with `RAY_ADDRESS` set, on that cluster.

    python -m examples.laptop_to_cluster
    RAY_ADDRESS=auto python -m examples.laptop_to_cluster

Nothing else changes: trials run wherever a node has what one of them takes. For each number of workers it says how many
trials a minute they did, and their packing efficiency: the share of their time in which they trained, from the first
trial's start to the last one's end.
"""

import argparse
import sys
from collections.abc import Sequence

from examples.digits import DigitsNet, train_set, val_set
from raynas import Experiment, RaynasError, Result
from raynas.evaluator.lightning import Classification


def experiment(
    workers: int, trials: int, epochs: int, storage_path: str = "runs", name: str | None = None
) -> Experiment:
    """The search; the number of workers is the most that it uses, however many there are."""
    return Experiment(
        DigitsNet(),
        Classification(train_set(), val_set(), batch_size=64, max_epochs=epochs, learning_rate=0.01),
        "random",
        objective="val_accuracy",
        max_trials=trials,
        max_concurrent=workers,
        resources={"num_cpus": 1},
        name=name,
        storage_path=storage_path,
    )


def pace(result: Result, workers: int) -> tuple[float, float]:
    """Trials a minute, and the packing efficiency from 0 to 1."""
    done = [trial for trial in result.trials if trial.trained]
    begun, ended = min(trial.started or 0.0 for trial in done), max(trial.ended or 0.0 for trial in done)
    wall = max(ended - begun, 1e-9)
    return 60 * len(done) / wall, sum(trial.seconds for trial in done) / (workers * wall)


def main(arguments: Sequence[str] | None = None) -> int:
    """Search once for each number of workers, and print a line each time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--trials", type=int, default=16, help="in each search")
    parser.add_argument("--epochs", type=int, default=8, help="in each trial")
    parser.add_argument("--storage_path", default="runs", help="the folder of all runs")
    given = parser.parse_args(arguments)
    for wanted in given.workers:
        seen: list[int] = []
        search = experiment(wanted, given.trials, given.epochs, given.storage_path)
        try:
            result = search.run(lambda progress, seen=seen: seen.append(progress.slots))
        except RaynasError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        workers = max(1, min(wanted, max(seen, default=wanted)))
        per_minute, packing = pace(result, workers)
        room = "" if workers == wanted else f" ({wanted} wanted, there is room for {workers})"
        best = result.best.metrics["val_accuracy"]
        print(
            f"{workers} worker{'s' * (workers > 1)}{room}: {per_minute:.1f} trials/min, "
            f"packing {packing:.0%}, best {best:.3f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
