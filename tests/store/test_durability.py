"""Kills, crowds and full disks."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from raynas.errors import StaleEpochError, StoreError
from raynas.store import Store
from raynas.trial import Trial

Make = Callable[..., Trial]

COUNT = itertools.count()

WRITER = """
import itertools, re, sys
from dataclasses import replace
from raynas.search_space import Sample
from raynas.store import Store, sqlite
from raynas.trial import Report, Trial, TrialKey

path, mode, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
if mode == "delete":
    sqlite.NETWORK = re.compile(".*")
store = Store.open(path)
epoch = store.new_epoch("writer")
for number in itertools.count(first):
    reports = tuple(Report(step, {"loss": step / 7}) for step in range(20))
    first = Trial(2 * number, Sample(), TrialKey(str(number)), reports=reports, detail="x" * 5000)
    pair = [first, replace(first, number=2 * number + 1)]
    store.commit(epoch, pair, {str(number): "source " * 500})
    print(number, flush=True)
"""

CREATOR = """
import sys
from raynas.store import Store
print("ready", flush=True)
Store.create(sys.argv[1], {"text": "x" * 1_000_000}, "digits", attachments={"a": bytes(5_000_000)})
print("done", flush=True)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=["wal", "delete", "postgresql"])
def database(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The URL of a run, and the journal that a file's writer shall use."""
    name = "postgres" if request.param == "postgresql" else "path"
    found = request.getfixturevalue(name)
    url = found.create(f"crowd{next(COUNT)}") if name == "postgres" else str(found)
    Store.create(url, {"seed": 1}, "digits").close()
    return url, request.param


def test_what_was_acknowledged_before_a_kill_is_there(database: tuple[str, str]) -> None:
    url, mode = database
    acknowledged = -1
    for round in range(4):
        process = start(WRITER, url, mode, acknowledged + 1)
        assert process.stdout is not None
        for _ in range(5 + 7 * round):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # said before it died, not yet read here
            acknowledged = int(line)
        process.wait()
        for readonly in (True, False):
            with Store.open(url, readonly=readonly) as store:
                trials = store.trials()
        # The last commit may have happened without being said; half of it may not.
        assert len(trials) % 2 == 0
        assert 0 <= len(trials) // 2 - (acknowledged + 1) <= 1
        assert [trial.number for trial in trials] == list(range(len(trials)))
        assert all(len(trial.reports) == 20 and trial.detail == "x" * 5000 for trial in trials)
        with Store.open(url, readonly=True) as store:
            assert all(store.source(str(number)) is not None for number in range(acknowledged + 1))
        acknowledged = len(trials) // 2 - 1


def test_a_kill_while_a_run_is_created_leaves_a_whole_one_or_none(tmp_path: Path) -> None:
    found = set()
    for attempt in range(40):
        path = tmp_path / str(attempt) / "search.db"
        path.parent.mkdir()
        process = start(CREATOR, path)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.01 * (attempt % 8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found.add(path.exists())
        if path.exists():
            with Store.open(path, readonly=True) as store:
                assert len(store.definition()["text"]) == 1_000_000
                assert store.attachment("a").data == bytes(5_000_000)
        else:
            Store.create(path, {}, "digits").close()
        if attempt >= 7 and False in found:
            break
    assert False in found


@pytest.mark.slow
def test_readers_see_whole_commits_while_another_process_writes(database: tuple[str, str]) -> None:
    url, mode = database
    process = start(WRITER, url, mode, 0)
    assert process.stdout is not None
    process.stdout.readline()
    seen: list[int] = []
    wrong: list[object] = []

    def read() -> None:
        with Store.open(url, readonly=True) as store:
            before = 0
            for _ in range(15):
                trials = store.trials()
                if len(trials) % 2 or len(trials) < before or any(len(trial.reports) != 20 for trial in trials):
                    wrong.append(trials)
                before = len(trials)
                seen.append(before)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not wrong
    assert len(seen) == 45
    assert max(seen) > min(seen)


def test_of_two_writers_the_newer_one_wins(database: tuple[str, str], make: Make) -> None:
    """The older one's commits stop for good at the moment in which the newer one takes over."""
    url, _ = database
    first_commits = threading.Event()
    refused: list[str] = []
    written: list[int] = []

    def old() -> None:
        with Store.open(url) as store:
            epoch = store.new_epoch("old")
            try:
                for number in range(100_000):
                    store.commit(epoch, [make(number)])
                    written.append(number)
                    if number == 10:
                        first_commits.set()
            except StaleEpochError as error:
                refused.append(str(error))

    thread = threading.Thread(target=old)
    thread.start()
    first_commits.wait()
    with Store.open(url) as store:
        epoch = store.new_epoch("new")
        taken = store.trials()
        store.commit(epoch, [make(1_000_000)])
        thread.join()
        assert len(refused) == 1
        assert store.trials() == [*taken, make(1_000_000)]
        assert [trial.number for trial in taken] == written


LIMITED = """
import resource, sys
from raynas.errors import StoreError
from raynas.search_space import Sample
from raynas.store import Store
from raynas.trial import Trial, TrialKey

store = Store.open(sys.argv[1])
epoch = store.new_epoch("writer")
store.commit(epoch, [Trial(0, Sample(), TrialKey("f"))])
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
try:
    for number in range(1, 1000):
        store.commit(epoch, [Trial(number, Sample(), TrialKey("f"), weights="x" * 10_000)])
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
store.commit(epoch, [Trial(1000, Sample(), TrialKey("f"))])
print(number)
"""


def test_a_file_that_may_not_grow_loses_nothing(path: Path) -> None:
    """As under a quota: the commit that does not fit fails by name, those before it stay, and those after it work."""
    Store.create(path, {}, "digits").close()
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    message, failed = done.stdout.splitlines()
    assert message.startswith(f"{path}: the disk ")
    assert int(failed) > 5
    with Store.open(path, readonly=True) as store:
        assert [trial.number for trial in store.trials()] == [*range(int(failed)), 1000]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "disk"
    folder.mkdir()
    if not hasattr(libc, "mount") or libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=1m"):
        pytest.skip("this user may not mount a small disk")
    yield folder
    libc.umount2(bytes(folder), 2)


def test_a_full_disk_loses_nothing(small_disk: Path, make: Make) -> None:
    path = small_disk / "search.db"
    with Store.create(path, {}, "digits") as store:
        epoch = store.new_epoch("me")
        store.commit(epoch, [make(0)])
        filler = small_disk / "filler"
        with open(filler, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))
        number = 0
        with pytest.raises(StoreError, match=r"disk/search\.db: the disk is full; .* free some space .*"):
            for number in range(1, 1000):
                store.commit(epoch, [make(number, weights="x" * 5000)])
        with Store.open(path, readonly=True) as reader:
            assert len(reader.trials()) == number
        filler.unlink()
        store.commit(epoch, [make(number)])
    with Store.open(path) as store:
        assert [trial.number for trial in store.trials()] == [*range(number + 1)]
        assert store.trial(number) == make(number)


def test_no_run_is_begun_on_a_full_disk(small_disk: Path) -> None:
    with pytest.raises(StoreError, match=r"disk/search\.db: the disk is full"):
        Store.create(small_disk / "search.db", {"space": os.urandom(1_000_000).hex()}, "digits")
    assert list(small_disk.iterdir()) == []


def test_a_trial_takes_less_than_a_kilobyte(path: Path, make: Make) -> None:
    """Committed as a search does: proposed, started, each report, the end; the files of a fresh store not counted."""
    with Store.create(path, {}, "digits") as store:
        epoch = store.new_epoch("me")
        empty = path.stat().st_size
        for number in range(0, 1000, 20):
            ended = [make(n, key=replace(make(n).key, evaluator=f"{n % 7:064}")) for n in range(number, number + 20)]
            store.commit(
                epoch, [replace(t, reports=(), metrics={}, order=None, ended=None, weights=None) for t in ended]
            )
            for length in range(1, 9):
                store.commit(epoch, [replace(t, reports=t.reports[:length], metrics={}) for t in ended])
            store.commit(epoch, ended)
    assert (path.stat().st_size - empty) / 1000 <= 1024
