"""What is killed, how it is found, and what must hold afterwards."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import tiny
from torch import nn

from raynas import Context, Experiment, Result, TrialState
from raynas.evaluator import FunctionalEvaluator
from raynas.store import Store
from raynas.trial import Trial

MARK = "RAYNAS_CHAOS"
"""In the environment of all that one test starts, so that nothing of it can hide."""


SESSIONS: dict[str, set[int]] = defaultdict(set)
"""The sessions of the processes that each test has started."""


def judge(
    model: nn.Module, context: Context, log: str = "", seconds: float = 0.1, together: int = 1
) -> Mapping[str, float]:
    """Says in a file when a training begins and when it ends; none ends before so many processes have begun one."""
    say(log, "begin", context)
    if together > 1:
        wait_until(lambda: len({process for _, _, process in told(Path(log))}) >= together)
    time.sleep(seconds)
    result = tiny.score(model)
    say(log, "end", context)
    return result


def eat(model: nn.Module, context: Context, log: str = "", hungry: int = 2) -> Mapping[str, float]:
    """One trial takes more and more memory, as long as it is given any."""
    say(log, "begin", context)
    meal = []
    while context.trial == hungry:
        meal.append(b"x" * 2**26)
        time.sleep(0.02)
    say(log, "end", context)
    return tiny.score(model)


def hang(model: nn.Module, context: Context, log: str = "", stuck: int = 2) -> Mapping[str, float]:
    """One trial never comes back from C, and lets no other thread of its process do anything in Python."""
    say(log, "begin", context)
    while context.trial == stuck:  # a signal ends a sleep
        ctypes.PyDLL(None).sleep(100_000)
    say(log, "end", context)
    return tiny.score(model)


def say(log: str, what: str, context: Context) -> None:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{what} {context.trial} {context.attempt} {os.getpid()}\n")


def experiment(folder: Path, function: Any = judge, arguments: Mapping[str, Any] = {}, **changes: Any) -> Experiment:
    """A search in `folder`; its trainings are told in `folder / "log"`."""
    settings: dict[str, Any] = {
        "strategy": "regularized_evolution",
        "strategy_arguments": {"population_size": 5, "tournament_size": 2},
        "objective": "score",
        "max_trials": 24,
        "name": "run",
        "storage_path": folder,
    }
    evaluator = FunctionalEvaluator(function, log=str(folder / "log"), **arguments)
    return Experiment(tiny.Tiny(), evaluator, **{**settings, **changes})


def told(log: Path, what: str = "begin") -> list[tuple[int, int, int]]:
    """Trial, attempt and process of each training that has begun, or ended."""
    lines = log.read_text().splitlines() if log.exists() else []
    words = [line.split() for line in lines]
    return [(int(line[1]), int(line[2]), int(line[3])) for line in words if line[0] == what]


AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own, two for each node; they hold nothing, and try for a minute to tell a driver that is gone that its raylet
is gone, too. Where a search has started its Ray itself, it sees to it that they end."""


class Witness:
    """Sees a run at each kill, and says at the end whether anything was lost or done twice.

    Args:
        folder: the experiment's.
        slots: how many trials may run at once.
        store: the run's URL; None: a file in the folder.
    """

    def __init__(self, folder: Path, slots: int, store: str | None = None) -> None:
        self._folder, self._slots = folder, slots
        self._store = store or str(folder / "run" / "search.db")
        self._ended: dict[int, Trial] = {}
        self._began: dict[int, int] = {}
        self._kills = 0

    @staticmethod
    def trials(folder: Path) -> list[Trial]:
        """All trials of the run in a folder, as they stand."""
        with Store.open(folder / "run" / "search.db", readonly=True) as store:
            return store.trials()

    def look(self) -> None:
        """Remember what has ended; before each kill."""
        with Store.open(self._store, readonly=True, name="run") as store:
            self._ended.update({trial.number: trial for trial in store.trials() if trial.state.ended})
        began = Counter(trial for trial, _, _ in told(self._folder / "log"))
        self._began = {number: began[number] for number in self._ended} | self._began
        self._kills += 1

    def check(self, trials: int, reference: Result | None = None) -> list[Trial]:
        """Check the whole run.

        Args:
            trials: how many it was to train.
            reference: the same search undisturbed, where there was one worker, so that the order is that of the seed.
        """
        with Store.open(self._store, readonly=True, name="run") as store:
            found, ending = store.trials(), store.ended()
            sources = [store.source(trial.key.fingerprint) for trial in found if trial.trained]
        assert ending is not None and ending.startswith("enough"), ending
        assert [trial.number for trial in found] == list(range(len(found)))
        assert all(trial.state.ended for trial in found)
        assert sorted(trial.order or 0 for trial in found) == list(range(len(found))), "two ended at the same moment"
        assert all(sources), "a trained candidate has no source"
        paid = [trial for trial in found if trial.twin is None and trial.state is not TrialState.INFEASIBLE]
        assert len(paid) == trials
        lost = [number for number, trial in self._ended.items() if found[number] != trial]
        assert not lost, f"what had ended was touched: {lost}"
        began = Counter(trial for trial, _, _ in told(self._folder / "log"))
        assert set(began) == {trial.number for trial in paid}
        wrong = [number for number, count in self._began.items() if began[number] != count]
        assert not wrong, f"what had ended was trained again: {wrong}"
        again = {trial: count - 1 for trial, count in began.items() if count > 1}
        assert sum(again.values()) <= self._kills * self._slots, f"more was repeated than was in flight: {again}"
        keys = Counter(trial.key for trial in paid if trial.has_result)
        assert max(keys.values()) == 1, "a training was done twice"
        if reference is not None:
            assert [dict(t.sample) for t in found] == [dict(t.sample) for t in reference.trials]
            assert [dict(t.metrics) for t in found] == [dict(t.metrics) for t in reference.trials]
        return found


def wait_until(condition: Callable[[], object], seconds: float = 90.0, what: str = "it did not happen") -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, what
        time.sleep(0.02)


def kill(process: int) -> None:
    """End a process as by `kill -9`; one that is gone already is none."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def command(process: int) -> str:
    """A process's command line, without Ray's padding; empty where it is gone."""
    try:
        return (Path("/proc") / str(process) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def raylets(mark: str) -> list[int]:
    """The raylets of a test, without what they are forking just now, which has their name for a moment."""
    found = marked(mark)
    time.sleep(0.1)
    return [process for process in found if "/raylet/raylet " in command(process)]


def marked(mark: str) -> list[int]:
    """The processes of a test, those that have ended and are still listed left out."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            number = int(path.name)
            variables = (path / "environ").read_bytes().split(b"\0")
            # Some of Ray's processes write their title over their environment.
            if f"{MARK}={mark}".encode() in variables or (os.getsid(number) in SESSIONS[mark] and command(number)):
                found.append(number)
        except (ValueError, OSError):
            continue
    return found


SCRIPT = """
import json, sys
from pathlib import Path
import chaos
folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
function = getattr(chaos, settings.pop("function", "judge"))
chaos.experiment(folder, function, settings.pop("arguments", {}), **settings).run()
"""


CLUSTER = """
import json, sys
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
import chaos
folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
for _ in range(settings.pop("nodes")):
    cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
function = getattr(chaos, settings.pop("function", "judge"))
chaos.experiment(folder, function, settings.pop("arguments", {}), **settings).run()
ray.shutdown()
cluster.shutdown()
"""


@contextmanager
def driver(
    folder: Path, mark: str, environment: Mapping[str, str] = {}, script: str = SCRIPT, **settings: Any
) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that searches, in a Ray of its own; whatever is left of it is ended with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder), json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment, MARK: mark},
    )
    SESSIONS[mark].add(process.pid)
    try:
        yield process
    finally:
        for left in marked(mark):
            kill(left)
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


def nothing_is_left(mark: str, seconds: float = 60.0, allowed: Sequence[str] = ()) -> None:
    """Within `seconds` all of a test's processes have ended, but for those with an allowed name."""
    left: Sequence[str] = ()

    def gone() -> bool:
        nonlocal left
        left = [command(process)[:100].strip() for process in marked(mark)]
        return all(name in allowed for name in left)

    try:
        wait_until(gone, seconds)
    except AssertionError:
        raise AssertionError(f"still there: {left}") from None
