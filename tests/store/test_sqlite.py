from __future__ import annotations

import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from raynas.errors import StoreError
from raynas.store import Store, sqlite
from raynas.trial import Trial

Make = Callable[..., Trial]

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/ann/fast xfs rw 0 0
tmpfs /with\\040space tmpfs rw 0 0
first /twice ext4 rw 0 0
//server/share /twice cifs rw 0 0
host: /mnt/ssh fuse.sshfs rw 0 0
"""


def journal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def everything(folder: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}


def refuse(path: Path, match: str) -> None:
    """Both ways of opening refuse the file by name, in one line, and leave its folder byte for byte as it was."""
    before = everything(path.parent)
    for readonly in (False, True):
        with pytest.raises(StoreError, match=match) as caught:
            Store.open(path, readonly=readonly)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert everything(path.parent) == before


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/run", "ext4"),
        ("/home/ann/run", "nfs4"),
        ("/home/ann/fast/run", "xfs"),
        ("/homes/run", "ext4"),
        ("/with space/run", "tmpfs"),
        ("/twice/run", "cifs"),
        ("/mnt/ssh/run", "fuse.sshfs"),
    ],
)
def test_the_file_system_is_the_one_mounted_nearest(path: str, kind: str) -> None:
    assert sqlite.filesystem(Path(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "lustre", "fuse.sshfs", "ceph"])
def test_network_file_systems_are_known(kind: str) -> None:
    assert sqlite.NETWORK.fullmatch(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "apfs", "fuseblk", "zfs", ""])
def test_local_file_systems_are_known(kind: str) -> None:
    assert not sqlite.NETWORK.fullmatch(kind)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file system counts as one of the network."""
    monkeypatch.setattr(sqlite, "NETWORK", re.compile(".*"))


def test_a_local_file_has_a_wal(file_store: Store, path: Path) -> None:
    assert journal(path) == "wal"
    file_store.new_epoch("me")
    assert Path(f"{path}-wal").exists()
    file_store.close()
    assert list(path.parent.iterdir()) == [path]


def test_a_file_on_the_network_has_none(network: None, path: Path, make: Make) -> None:
    with Store.create(path, {}, "digits") as store, Store.open(path, readonly=True) as reader:
        store.commit(store.new_epoch("me"), [make(0)])
        assert reader.trials() == [make(0)]
        assert not Path(f"{path}-wal").exists()
    assert journal(path) == "delete"


def test_a_file_that_moves_to_the_network_loses_its_wal(
    file_store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_store.close()
    monkeypatch.setattr(sqlite, "NETWORK", re.compile(".*"))
    Store.open(path).close()
    assert journal(path) == "delete"


def test_a_missing_file(path: Path) -> None:
    refuse(path, r"cannot be opened: No such file or directory; check the run's name")


def test_a_folder(tmp_path: Path) -> None:
    refuse(tmp_path, r"is a folder, not a run's database: name the file in it")


@pytest.mark.parametrize("content", [b"", b"a"])
def test_an_empty_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refuse(path, r"is empty or cut off, no run's database")


@pytest.mark.parametrize("content", [b"text\n" * 3000, bytes(range(256)) * 64])
def test_a_file_of_another_program(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refuse(path, r"is no run's database: it belongs to another program, or was cut off")


@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("application", [0, 42])
def test_an_sqlite_file_of_another_program(path: Path, mode: str, application: int) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute(f"PRAGMA application_id = {application}")
        other.execute("CREATE TABLE raynas_schema (version INTEGER)")
        other.execute("INSERT INTO raynas_schema VALUES (1)")
        other.commit()
    refuse(path, r"is another program's SQLite file, no run's database")


def test_a_transaction_that_another_program_left_half_done_is_left_so(tmp_path: Path) -> None:
    working, killed = tmp_path / "working.db", tmp_path / "killed"
    killed.mkdir()
    with closing(sqlite3.connect(working, isolation_level=None)) as other:
        other.execute("PRAGMA cache_size = 1")
        other.execute("CREATE TABLE names (name)")
        other.executemany("INSERT INTO names VALUES (?)", [("a" * 1000,)] * 20)
        other.execute("BEGIN")
        other.execute("UPDATE names SET name = 'b'")
        for end in ("", "-journal"):
            shutil.copy(f"{working}{end}", killed / f"search.db{end}")
    assert (killed / "search.db-journal").stat().st_size > 512
    refuse(killed / "search.db", r"is another program's SQLite file, no run's database")


def test_a_truncated_file(file_store: Store, path: Path, make: Make) -> None:
    file_store.commit(file_store.new_epoch("me"), [make(number) for number in range(20)])
    file_store.close()
    whole = path.read_bytes()
    for size in (600, *range(4096, len(whole), 4 * 4096), len(whole) - 4096, len(whole) - 1):
        path.write_bytes(whole[:size])
        refuse(path, r"truncated|cut off")


@pytest.mark.parametrize(
    ("version", "match"),
    [
        ("2", r"written by a newer raynas \(schema 2, this one reads 1\): update raynas"),
        ("0", r"unknown schema version 0"),
        ("'one'", r"unknown schema version 'one'"),
        (None, r"unknown schema version None"),
    ],
)
def test_a_schema_that_is_not_known(file_store: Store, path: Path, version: str | None, match: str) -> None:
    file_store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM raynas_schema")
        if version is not None:
            connection.execute(f"INSERT INTO raynas_schema VALUES ({version})")
        connection.commit()
    refuse(path, match)


def test_damage_that_is_met_later_names_the_file(file_store: Store, path: Path, make: Make) -> None:
    file_store.commit(file_store.new_epoch("me"), [make(0)])
    file_store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE raynas_trials SET state = 'dancing'")
        connection.commit()
    with Store.open(path) as damaged, pytest.raises(StoreError, match=r"search\.db is damaged .*dancing"):
        damaged.trials()


@pytest.mark.parametrize("what", ["removed", "moved", "replaced"])
def test_a_file_that_is_gone_takes_nothing_more(file_store: Store, path: Path, make: Make, what: str) -> None:
    epoch = file_store.new_epoch("me")
    file_store.commit(epoch, [make(0)])
    kept = path.with_name("kept.db")
    shutil.copy(path, kept)
    if what == "removed":
        path.unlink()
    else:
        (path if what == "moved" else kept).rename(path.with_name("elsewhere.db") if what == "moved" else path)
    with pytest.raises(
        StoreError, match=r"search\.db was removed, moved or replaced while it was written: put it back"
    ):
        file_store.commit(epoch, [make(1)])


def test_no_folder_to_create_in(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"search\.db cannot be made: there is no folder .*missing; make it first"):
        Store.create(tmp_path / "missing" / "search.db", {}, "digits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", ""])
def test_a_database_in_memory_holds_no_run(url: str) -> None:
    for way in (lambda: Store.create(url, {}, "digits"), lambda: Store.open(url)):
        with pytest.raises(StoreError, match="names no file: a run must outlive its process"):
            way()


def test_of_many_who_create_one_file_one_does(path: Path) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(8)

    def create(number: int) -> None:
        together.wait()
        try:
            Store.create(path, {"number": number}, "digits").close()
            outcomes.append(str(number))
        except StoreError as error:
            assert "exists already" in str(error)
            outcomes.append("refused")

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(outcomes) - {"refused"}
    assert outcomes.count("refused") == 7
    with Store.open(path, readonly=True) as store:
        assert store.definition() == {"number": winner}
    assert [item.name for item in path.parent.iterdir() if item.name.endswith(".new")] == []


def test_what_is_left_of_a_lost_database_does_not_get_into_a_new_one(path: Path) -> None:
    with Store.create(path, {"seed": 1}, "digits") as store:
        store.new_epoch("one")
        wal = Path(f"{path}-wal").read_bytes()
    path.unlink()
    Path(f"{path}-wal").write_bytes(wal)
    with pytest.raises(StoreError, match=r"-wal is left of a database that is gone: put that back, or remove this"):
        Store.create(path, {"seed": 2}, "digits")
    assert list(path.parent.iterdir()) == [Path(f"{path}-wal")]


def test_without_links_a_file_is_still_created_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: object, target: object) -> None:
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(os, "link", link)
    Store.create(path, {"seed": 1}, "digits").close()
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(StoreError, match="exists already"):
        Store.create(path, {}, "digits")


def test_a_path_with_odd_characters(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "50% of #1? ü.db"
    with Store.create(path, {}, "digits") as store:
        store.commit(store.new_epoch("me"), [make(0)])
    with Store.open(path, readonly=True) as store:
        assert store.trials() == [make(0)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_on_a_disk_that_cannot_be_written_is_read(
    file_store: Store, path: Path, make: Make, tmp_path: Path
) -> None:
    file_store.commit(file_store.new_epoch("me"), [make(0)])
    file_store.close()
    folder = tmp_path / "archive"
    folder.mkdir()
    shutil.copy(path, folder)
    folder.chmod(0o555)
    try:
        with Store.open(folder / path.name, readonly=True) as archived:
            assert archived.trials() == [make(0)]
        assert len(list(folder.iterdir())) == 1
    finally:
        folder.chmod(0o755)


def test_a_lock_that_stays_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    with Store.create(path, {}, "digits") as store, closing(sqlite3.connect(path)) as other:
        epoch = store.new_epoch("me")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"search\.db: another process keeps it locked"):
            store.commit(epoch, [make(0)])
        other.rollback()
        store.commit(epoch, [make(0)])
        assert store.trials() == [make(0)]
