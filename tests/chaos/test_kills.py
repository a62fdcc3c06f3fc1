"""`kill -9` of every part of a running search, at random times."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import chaos
import pytest

from raynas import Result, TrialState
from raynas.store import Store

pytestmark = pytest.mark.chaos

ALL = {"num_cpus": 2}
"""What the tests' Ray has, so that there is one worker."""


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Does something on a thread while the block runs; what it raises is raised at the end."""
    wrong: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=acting)
    thread.start()
    yield
    thread.join()
    if wrong:
        raise wrong[0]


def whole(folder: Path, trials: int = 24) -> Result:
    """The same search, undisturbed."""
    (folder / "whole").mkdir()
    return chaos.experiment(folder / "whole", engine="local", arguments={"seconds": 0}, max_trials=trials).run()


def below_this_one(process: int) -> bool:
    """Whether a process was started by this one, or by what it started: others may search on this machine, too."""
    while process > 1 and process != os.getpid():
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return process == os.getpid()


def hosts() -> list[int]:
    """The processes of search actors in this test's Ray."""
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [number for number in numbers if chaos.command(number).startswith("ray::Host") and below_this_one(number)]


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """After the test nothing of its search is left in the tests' Ray: no actor, and no CPU is taken."""
    import ray

    yield
    chaos.wait_until(lambda: not hosts(), 60, "an actor is left")
    chaos.wait_until(lambda: ray.available_resources().get("CPU") == 2, 60, "a CPU is still taken")


@pytest.mark.ray
def test_workers(tmp_path: Path, chance: Random, nothing_stays: None) -> None:
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 1)

    def kill() -> None:
        for _ in range(3):
            time.sleep(chance.uniform(0, 1))
            seen = len(chaos.told(log))
            chaos.wait_until(lambda seen=seen: len(chaos.told(log)) > seen)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.15))
            witness.look()
            running = [t for t in chaos.told(log) if t not in chaos.told(log, "end") and t[1] == 1]
            if running:  # else it has ended just now; a second kill of one trial would be the trial's fault
                chaos.kill(chance.choice(running)[2])

    with meanwhile(kill):
        chaos.experiment(tmp_path, max_trials=48).run()
    found = witness.check(48)
    assert {t.state for t in found} == {TrialState.FINISHED}


def test_workers_in_the_middle_of_many_short_trials(tmp_path: Path, chance: Random, mark: str) -> None:
    """On two nodes, none of them the actor's: only the trial that a worker was in is repeated."""
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 1)
    settings = {"strategy": "random", "strategy_arguments": {}, "replicates": 10, "max_trials": 600}
    with chaos.driver(
        tmp_path, mark, script=chaos.CLUSTER, nodes=2, arguments={"seconds": 0.002}, **settings
    ) as process:

        def running() -> list[tuple[int, int, int]]:
            ended = set(chaos.told(log, "end"))
            return [trial for trial in chaos.told(log) if trial not in ended and trial[1] == 1]

        def over() -> bool:
            return process.poll() is not None

        for _ in range(4):
            enough = len(chaos.told(log)) + chance.randrange(40, 100)
            chaos.wait_until(lambda enough=enough: over() or (len(chaos.told(log)) >= enough and running()))  # type: ignore[misc]
            witness.look()
            victims = running()
            if victims:
                chaos.kill(chance.choice(victims)[2])
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
    found = witness.check(600)
    assert {t.state for t in found} == {TrialState.FINISHED}
    assert sum(t.attempts > 1 for t in found) <= 4


@pytest.mark.parametrize("seconds", [0.03, 0.003])
def test_ctrl_c_among_short_trials(tmp_path: Path, chance: Random, mark: str, seconds: float) -> None:
    """What runs may end, also what is over before anybody hears that it has begun."""
    log = tmp_path / "log"
    settings = {"strategy": "random", "strategy_arguments": {}, "replicates": 40, "max_trials": 2000}
    with chaos.driver(tmp_path, mark, arguments={"seconds": seconds}, **settings) as process:
        chaos.wait_until(lambda: len(chaos.told(log)) >= 60 or process.poll() is not None)
        time.sleep(chance.uniform(0, 0.2))
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=240)
    assert "KeyboardInterrupt" in output, output
    begun = chaos.told(log)
    assert sorted(begun) == sorted(chaos.told(log, "end")) and len(begun) < 2000
    ended = [t.number for t in chaos.Witness.trials(tmp_path) if t.state.ended and t.twin is None]
    assert ended == sorted(trial for trial, _, _ in begun)


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_the_actor(tmp_path: Path, chance: Random, workers: int, nothing_stays: None) -> None:
    # What a worker has just ended may not have been heard of, while it is at the one that waited for it.
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 1 if workers == 1 else 2 * workers)

    def kill() -> None:
        for _ in range(2):
            seen = len(chaos.told(log))
            chaos.wait_until(lambda seen=seen: len(chaos.told(log)) > seen)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.5))
            witness.look()
            for process in hosts():
                chaos.kill(process)

    with meanwhile(kill):
        chaos.experiment(tmp_path, resources=ALL if workers == 1 else {}).run()
    witness.check(24, whole(tmp_path) if workers == 1 else None)
    with Store.open(tmp_path / "run" / "search.db", readonly=True) as store:
        epoch = store.current_epoch()
    assert epoch is not None and epoch.number >= 2, "the actor was not made again"


@pytest.mark.ray
@pytest.mark.parametrize("victim", ["driver", "raylet"])
def test_the_driver_and_its_raylet(tmp_path: Path, chance: Random, mark: str, victim: str, nothing_stays: None) -> None:
    """What is left ends by itself, and the same command goes on."""
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 1)
    with chaos.driver(tmp_path, mark, resources={"num_cpus": os.cpu_count()}) as process:
        chaos.wait_until(lambda: chaos.told(log) or process.poll() is not None)
        time.sleep(chance.uniform(0, 1.5))
        witness.look()
        if victim == "driver":
            process.kill()
        else:
            (raylet,) = chaos.raylets(mark)
            chaos.kill(raylet)
            output, _ = process.communicate(timeout=240)
            assert "SearchError: the search's actor is gone" in output and "start the same command again" in output
        chaos.nothing_is_left(mark)
    chaos.experiment(tmp_path, resources=ALL).run()
    witness.check(24, whole(tmp_path))


@pytest.mark.parametrize(("seconds", "trials"), [(0.3, 12), (0.01, 600)])
def test_a_node_of_the_cluster(tmp_path: Path, chance: Random, mark: str, seconds: float, trials: int) -> None:
    """Trials that were lost with a node are repeated elsewhere, at no cost; the workers of other nodes go on."""
    share = 2 if seconds == 0.3 else 16  # of the trials that are lost, as many as a task has
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, share)
    settings = {"max_trials": trials, "replicates": trials // 12, "arguments": {"seconds": seconds, "together": 2}}
    with chaos.driver(tmp_path, mark, script=chaos.CLUSTER, nodes=2, **settings) as process:
        chaos.wait_until(lambda: len({t[2] for t in chaos.told(log)}) == 2 or process.poll() is not None)
        time.sleep(chance.uniform(0, 1))
        nodes = [p for p in chaos.raylets(mark) if "--head" not in chaos.command(p).split()]
        assert len(nodes) == 2, process.communicate()[0] if process.poll() is not None else nodes
        witness.look()
        chaos.kill(chance.choice(nodes))
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        chaos.nothing_is_left(mark, allowed=chaos.AGENTS)
    found = witness.check(trials)
    assert {t.state for t in found} == {TrialState.FINISHED}
    begun = chaos.told(log)
    again = {trial for trial, count in Counter(trial for trial, _, _ in begun).items() if count > 1}
    first = {
        process
        for place, (trial, _, process) in enumerate(begun)
        if trial in again and trial not in {earlier for earlier, _, _ in begun[:place]}
    }
    assert len(first) <= 1, "also trials of the other node's worker were lost"
