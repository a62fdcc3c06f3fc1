"""Trials that take all memory or never end, servers that are restarted, disks that are full, clocks that go back."""

from __future__ import annotations

import ctypes
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import chaos
import pytest
from postgres_server import PostgresServer

from raynas import TrialState
from raynas.errors import StoreError
from raynas.search import Progress
from raynas.trial import Cause

pytestmark = pytest.mark.chaos

ALL = {"num_cpus": 2}
"""What the tests' Ray has, so that there is one worker."""


def memory() -> tuple[float, float]:
    """Bytes of this machine's memory: all, and those in use."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    found = {words[0]: 1024 * int(words[1]) for words in lines}
    return found["MemTotal:"], found["MemTotal:"] - found["MemAvailable:"]


def test_a_trial_that_eats_memory_is_ended_alone(tmp_path: Path, mark: str) -> None:
    everything, used = memory()
    if everything - used < 6 * 2**30:
        pytest.skip("less than 6 GB of memory are free on this machine")
    # Ray's own guard, half-way to the end: others use this machine, too, now more of it and now less.
    limit = {"RAY_memory_usage_threshold": str((used + everything) / 2 / everything)}
    settings = {"function": "eat", "max_trials": 6, "resources": {"num_cpus": os.cpu_count()}}
    with chaos.driver(tmp_path, mark, limit, **settings) as process:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        chaos.nothing_is_left(mark)
    found = chaos.Witness(tmp_path, 1).check(6)
    assert [(t.number, t.cause, t.attempts) for t in found if t.state is TrialState.FAILED] == [
        (2, Cause.OUT_OF_MEMORY, 1)
    ]
    workers = {trial: process for trial, _, process in chaos.told(tmp_path / "log")}
    assert workers[3] != workers[2], "the next one has a worker of its own"


@pytest.mark.ray
def test_a_trial_that_hangs_in_c_is_ended_alone(tmp_path: Path) -> None:
    chaos.experiment(tmp_path, chaos.hang, max_trials=5, resources=ALL, trial_timeout=15.0).run()
    found = chaos.Witness(tmp_path, 1).check(5)
    assert [(t.number, t.cause, t.attempts) for t in found if t.state is TrialState.FAILED] == [(2, Cause.TIMEOUT, 1)]
    workers = {trial: process for trial, _, process in chaos.told(tmp_path / "log")}
    assert workers[3] != workers[2]
    chaos.wait_until(lambda: not chaos.command(workers[2]), 30, "it still runs")


@pytest.mark.ray
def test_a_server_that_is_restarted_costs_nothing(tmp_path: Path, chance: Random, postgres: PostgresServer) -> None:
    url = postgres.create("chaos")
    log, witness = tmp_path / "log", chaos.Witness(tmp_path, 0, url)

    def restart() -> None:
        for mode in ("immediate", "fast"):
            seen = len(chaos.told(log))
            chaos.wait_until(lambda seen=seen: len(chaos.told(log)) > seen)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.5))
            witness.look()
            postgres.stop(mode)
            time.sleep(chance.uniform(0, 1))
            postgres.start()

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        chaos.experiment(tmp_path, store=url, resources=ALL).run()
    finally:
        thread.join()
        postgres.start()
    (tmp_path / "whole").mkdir()
    reference = chaos.experiment(tmp_path / "whole", engine="local", arguments={"seconds": 0}).run()
    witness.check(24, reference)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB: SQLite lets a WAL grow to 4."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "disk"
    folder.mkdir()
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=12m"):
        pytest.skip("this user may not mount a small disk")
    yield folder
    libc.umount2(bytes(folder), 2)


@pytest.mark.ray
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_full_disk_ends_the_search_and_loses_nothing(
    tmp_path: Path, small_disk: Path, chance: Random, engine: str
) -> None:
    """With its cause and cure; when there is room again, the same command goes on."""
    when = chance.randrange(1, 12)
    filler = small_disk / "filler"
    witness = chaos.Witness(tmp_path, 1, str(small_disk / "run" / "search.db"))

    def fill(progress: Progress) -> None:
        if progress.done >= when and not filler.exists():
            with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(4096))

    settings = {"storage_path": small_disk, "engine": engine, "resources": ALL, "max_trials": 60}
    quick = {"seconds": 0.02}
    with pytest.raises(StoreError, match=r"/disk/run/.*(the disk is full|No space left)") as caught:
        chaos.experiment(tmp_path, arguments=quick, **settings).run(fill)
    assert "\n" not in str(caught.value)
    witness.look()
    filler.unlink()
    found = chaos.experiment(tmp_path, arguments=quick, **settings).run().trials
    (tmp_path / "whole").mkdir()
    reference = chaos.experiment(tmp_path / "whole", engine="local", max_trials=60, arguments={"seconds": 0}).run()
    assert {t.state for t in found} == {TrialState.FINISHED}, [t.message for t in found if t.message]
    witness.check(60, reference)


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path, chance: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a run, and between two starts of one."""
    real, back = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() - back)

    def set_back(progress: Progress) -> None:
        nonlocal back
        if chance.random() < 0.2:
            back = chance.uniform(-1e4, 1e6)

    limits = {"max_time": 300.0, "trial_timeout": 100.0}
    for trials in (8, 24):
        chaos.experiment(tmp_path, engine="local", arguments={"seconds": 0.11}, max_trials=trials, **limits).run(
            set_back
        )
        back += 1e7
    (tmp_path / "whole").mkdir()
    reference = chaos.experiment(tmp_path / "whole", engine="local", arguments={"seconds": 0}, **limits).run()
    found = chaos.Witness(tmp_path, 1).check(24, reference)
    assert any(a.ended > b.ended for a, b in itertools.pairwise(found) if a.ended and b.ended)
    assert [t.number for t in sorted(found, key=lambda t: t.order or 0)] == [t.number for t in found]
