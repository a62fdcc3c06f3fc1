"""What a `kill -9` costs: the whole time of searches of which a part is killed half-way, beside undisturbed ones.

    python benchmarks/faults.py [--repeats 3] [--trials 60] [--only driver]

Trials sleep for half a second, on two workers. Each arm is a process of its own, Ray's start included; where the search
itself ends with what is killed, the same command is given again, and its time counts, too. Undisturbed and disturbed
searches take turns. Wanted: at most 1.5 times an undisturbed search, and 20 s for each further start of Ray.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from common import folder, load, searched, sleep

from raynas.errors import RaynasError
from raynas.store import Store

ARMS: dict[str, tuple[bool, Callable[[str], bool] | None]] = {
    "undisturbed": (False, None),
    "driver": (False, lambda command: "--search" in command),
    "actor": (False, lambda command: command.startswith("ray::") and "Host" in command),
    "worker": (False, lambda command: command.startswith("ray::raynas.trial")),
    "raylet": (False, lambda command: "/raylet/raylet " in command),
    "undisturbed, two nodes": (True, None),
    "one of two nodes": (True, lambda command: "/raylet/raylet " in command and "--head" not in command.split()),
}
"""Whether there are several nodes, and what is killed: the first process with such a command."""


def search(place: str, trials: int, nodes: bool) -> None:
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_ADDRESS"] = "local"
    if not nodes:
        searched(place, trials, sleep, arguments={"seconds": 0.5}, resources={"num_cpus": (os.cpu_count() or 2) // 2})
        return
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    searched(place, trials, sleep, arguments={"seconds": 0.5})
    ray.shutdown()
    cluster.shutdown()


def processes(session: int) -> Iterator[tuple[int, str]]:
    """The processes of a session, with their commands."""
    for path in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getsid(int(path.name)) == session:
                yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def ended(place: str) -> int:
    with suppress(RaynasError), Store.open(Path(place, "run", "search.db"), readonly=True) as store:
        return sum(trial.state.ended for trial in store.trials(brief=True))
    return 0


def taken(trials: int, nodes: bool, victim: Callable[[str], bool] | None) -> tuple[float, int]:
    """Seconds from the first start to the end, and how often the command was given."""
    with folder() as place:
        command = [
            sys.executable,
            __file__,
            "--search",
            place,
            "--trials",
            str(trials),
            *(["--nodes"] if nodes else []),
        ]
        begun, starts, alive = time.monotonic(), 0, victim
        while True:
            starts += 1
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            while process.poll() is None:
                time.sleep(0.05)
                if alive is not None and ended(place) >= trials // 2:
                    number = next((n for n, text in processes(process.pid) if alive(text)), None)
                    if number is not None:
                        os.kill(number, signal.SIGKILL)
                        alive = None
            if process.returncode == 0 or starts == 3:
                assert ended(place) >= trials
                return time.monotonic() - begun, starts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--only", default="", help="disturbed arms whose names hold this")
    parser.add_argument("--search", default="", help=argparse.SUPPRESS)
    parser.add_argument("--nodes", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.search:
        search(given.search, given.trials, given.nodes)
        return
    arms = {name: arm for name, arm in ARMS.items() if arm[1] is None or given.only in name}
    arms = {name: arm for name, arm in arms.items() if any(arm[0] == other[0] and other[1] for other in arms.values())}
    measured: dict[str, list[float]] = {name: [] for name in arms}
    starts: dict[str, int] = {}
    for _ in range(given.repeats):
        for name, arm in arms.items():
            seconds, starts[name] = taken(given.trials, *arm)
            measured[name].append(seconds)
            print(f"{name}: {seconds:.1f} s, {load()}", flush=True)
    print(f"{'':24}{'seconds':>10}{'starts':>8}{'ratio':>8}{'allowed':>10}")
    for name, (nodes, victim) in arms.items():
        median = statistics.median(measured[name])
        base = statistics.median(measured["undisturbed, two nodes" if nodes else "undisturbed"])
        allowed = f"{1.5 * base + 20 * (starts[name] - 1):10.1f}" if victim else ""
        print(f"{name:24}{median:10.1f}{starts[name]:8}{median / base:8.2f}{allowed}")


if __name__ == "__main__":
    main()
