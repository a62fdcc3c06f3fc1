"""Calls of a function in Ray tasks: beside the trials, without a CPU of theirs, and nothing repeated."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ray


@pytest.fixture
def calls(ray_session: None) -> Iterator[Any]:
    import ray

    from raynas.engine.ray_engine.calls import Kit, RayCalls

    nodes = frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])  # type: ignore[no-untyped-call]  # Ray's own
    made = RayCalls(Kit("examining:adding", 100, b"", tuple(sys.path)), lambda: nodes, lambda: 3)
    yield made
    made.close()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_values_come_in_order_from_a_function_that_is_made_once(calls: Any) -> None:
    assert calls.send([1, 2, 3]).result(120) == [101, 102, 103]
    found = [calls.send(["who", "who"]).result(120) for _ in range(4)]
    processes = {process for pair in found for process, _ in pair}
    assert len({made for pair in found for _, made in pair}) == len(processes) and os.getpid() not in processes


def test_there_is_room_for_as_many_as_there_are_cpus_to_spare(calls: Any, tmp_path: Path) -> None:
    assert calls.room() == 3
    going = [calls.send([["sleep", 2.0, str(tmp_path / "log")]]) for _ in range(3)]
    assert calls.room() == 0
    assert [each.result(120) for each in going] == [[None]] * 3
    wait_until(lambda: calls.room() == 3)


def test_they_take_no_process_from_the_trials(calls: Any) -> None:
    import ray

    @ray.remote
    def trial() -> int:
        return os.getpid()

    trials = {ray.get(trial.remote()) for _ in range(4)}
    assert trials.isdisjoint(process for process, _ in calls.send(["who", "who"]).result(120))


def test_what_dies_or_raises_is_told_and_not_repeated(calls: Any, tmp_path: Path) -> None:
    died, raised = calls.send([1, ["die", str(tmp_path / "log")]]), calls.send([1, "raise"])
    assert died.exception(120) is not None and isinstance(raised.exception(60), KeyError)
    assert calls.send([1]).result(120) == [101]
    assert (tmp_path / "log").read_text() == "died\n" and calls.room() == 3


def test_they_need_no_cpu_that_is_another_ones(calls: Any, tmp_path: Path) -> None:
    import ray

    @ray.remote(num_cpus=2)
    def busy(log: str) -> None:
        while not Path(log).exists():
            time.sleep(0.02)

    task = busy.remote(str(tmp_path / "log"))
    wait_until(lambda: ray.available_resources().get("CPU", 0) == 0)
    assert calls.send([1]).result(120) == [101]
    (tmp_path / "log").touch()
    ray.get(task)


def test_closing_ends_what_goes_on(calls: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    future = calls.send([["sleep", 1000, str(log)]])
    wait_until(lambda: log.exists() and bool(log.read_text()))
    calls.close()
    assert future.exception(120) is not None
    process = int(log.read_text())
    wait_until(lambda: not Path(f"/proc/{process}").exists() or " Z" in Path(f"/proc/{process}/stat").read_text()[:60])
