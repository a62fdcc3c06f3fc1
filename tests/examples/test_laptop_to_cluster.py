"""The example on this machine and on a cluster of three nodes, and what a search does when nodes come and go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from random import Random

import chaos
import pytest
from standing_cluster import standing

from raynas import Result, Trial, TrialState

ROOT = Path(__file__).parents[2]
LINE = re.compile(
    r"(?P<workers>\d) workers?( \((?P<wanted>\d) wanted, there is room for \d\))?: "
    r"(?P<pace>[\d.]+) trials/min, packing (?P<packing>\d+)%, best 0\.\d+"
)


def started(folder: Path, address: str, *arguments: str, mark: str = "") -> subprocess.Popen[str]:
    """The example, in a process of its own."""
    command = [sys.executable, "-m", "examples.laptop_to_cluster", "--storage_path", str(folder), *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        env={**os.environ, "RAY_ADDRESS": address, chaos.MARK: mark},
    )
    chaos.SESSIONS[mark].add(process.pid)
    return process


def trials(folder: Path) -> list[Trial]:
    """Those of the latest run in a folder; none before there is one."""
    stores = sorted(folder.glob("*/search.db"))
    return Result.open(stores[-1].parent).trials if stores else []


@pytest.mark.slow
def test_on_this_machine(tmp_path: Path) -> None:
    output, _ = started(tmp_path, "local", "--trials", "4", "--epochs", "1", "--workers", "1", "2").communicate()
    found = [LINE.fullmatch(line) for line in output.splitlines()]
    assert len(found) == 2 and all(found), output
    assert [(match["workers"], match["wanted"]) for match in found if match] in (
        [("1", None), ("2", None)],
        [("1", None), ("1", "2")],
    )
    assert all(0 < int(match["packing"]) <= 100 and float(match["pace"]) > 0 for match in found if match)


@pytest.mark.slow
def test_on_a_cluster_of_three_nodes_of_which_one_is_killed(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with standing(mark, "one", "two", "three") as cluster:
        process = started(tmp_path, cluster.address, "--trials", "16", "--epochs", "3", "--workers", "3", mark=mark)

        def busy() -> bool:
            return len([t for t in trials(tmp_path) if t.started]) >= 5 or process.poll() is not None

        chaos.wait_until(busy, 120)
        cluster.do("kill", Random().choice(["one", "two", "three"]))
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0 and (match := LINE.fullmatch(output.strip())), output
        assert match["workers"] == "3"
    found = trials(tmp_path)
    assert len(found) >= 16 and {t.state for t in found} == {TrialState.FINISHED}, [t.message for t in found]


@pytest.mark.slow
def test_as_nodes_come_and_go_the_pace_follows(tmp_path: Path) -> None:
    """By the store's own times: with a second node about twice as many trials run at a time, and after it one again."""
    mark, log = uuid.uuid4().hex, tmp_path / "log"
    span = 8.0
    with (
        standing(mark, "one") as cluster,
        chaos.driver(
            tmp_path,
            mark,
            {"RAY_ADDRESS": cluster.address},
            arguments={"seconds": 0.4},
            replicates=100,
            max_trials=10_000,
            max_time=1000.0,
        ) as process,
    ):
        windows = []

        def watch(workers: int) -> None:
            """For a while, from when all of so many workers, and nobody else, have been at work."""

            def at_work() -> bool:
                last = [worker for _, _, worker in chaos.told(log)[-8:]]
                return process.poll() is not None or (len(last) == 8 and len(set(last)) == workers)

            chaos.wait_until(at_work)
            begun = time.time()
            time.sleep(span)
            windows.append((begun, begun + span))

        watch(1)
        cluster.do("add", "two")
        watch(2)
        cluster.do("remove", "two")
        watch(1)
        assert process.poll() is None, process.communicate()[0]
    found = chaos.Witness.trials(tmp_path)
    times = [(t.started, t.ended) for t in found if t.trained and t.started and t.ended]
    one, both, after = (sum(max(0.0, min(b, e) - max(a, s)) for s, e in times) / span for a, b in windows)
    assert 0.4 < one < 1.1 and both > 1.4 * one and 0.4 < after < 1.1, (one, both, after)
    assert {t.state for t in found if t.state.ended} == {TrialState.FINISHED}
