"""A store in an SQLite file: is it one, how is it made, how is it opened."""

from __future__ import annotations

import os
import re
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, QueuePool, create_engine, event
from sqlalchemy.engine import URL

from raynas.errors import StoreError
from raynas.store.database import Database, explain
from raynas.store.schema import schema

APPLICATION_ID = int.from_bytes(b"rayn", "big")
"""In the header of each of our files, where SQLite keeps a program's own number."""

BUSY_SECONDS = 30.0

NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|fhgfs|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs|pvfs2|"
    r"smb[23]|smbfs|virtiofs|wekafs|fuse\..*"
)
"""Types of file systems of which two machines may have the same one. FUSE may be anything, so it counts as one."""


def path_of(url: URL) -> Path:
    """The file that an SQLite URL names."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise StoreError(f"'{url}' names no file: a run must outlive its process, so write sqlite:///path/to/search.db")
    return Path(url.database)


def is_there(path: Path) -> bool:
    """Whether there is anything under this path; `StoreError` where that cannot be told."""
    try:
        return path.exists()
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}; check the run's name and folder") from None


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system that `path` is on.

    Args:
        path: absolute, without links.
        mounts: text of /proc/mounts.
    """
    best, found = -1, ""
    for line in mounts.splitlines():
        _, point, kind = line.split(" ")[:3]
        for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
            point = point.replace(code, character)
        # Of two mounts on one point the later one is seen.
        if path.is_relative_to(point) and len(Path(point).parts) >= best:
            best, found = len(Path(point).parts), kind
    return found


def shared_memory_works(path: Path) -> bool:
    """Whether WAL mode can be used: all processes share the memory of its index, which no network file system gives."""
    try:
        mounts = Path("/proc/mounts").read_text(errors="surrogateescape")
    except OSError:
        return not str(path).startswith("\\\\")
    return NETWORK.fullmatch(filesystem(path.resolve(), mounts)) is None


def check(path: Path) -> int | None:
    """The schema version of the store in `path`; None where it says none.

    Nothing is written, also not beside the file.

    Raises:
        StoreError: it is no store's file.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a folder, not a run's database: name the file in it (search.db, usually)")
    try:
        if path.stat().st_size < 512:  # less than the smallest page: SQLite would take it for a new database
            raise StoreError(f"{path} is empty or cut off, no run's database: restore it from a copy, or remove it")
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}; check the run's name and folder") from None
    try:
        identity, version = _look(path)
    except sqlite3.DatabaseError as error:
        # Never open the file by other means to see more: closing it would drop this process's SQLite locks on it.
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise StoreError(explain(str(path), error)) from None
        raise StoreError(
            f"{path} is no run's database: it belongs to another program, or was cut off; "
            "name another file, or restore it from a copy"
        ) from None
    if identity != APPLICATION_ID:
        raise StoreError(f"{path} is another program's SQLite file, no run's database: name another file")
    return version


def _look(path: Path) -> tuple[int, int | None]:
    """Application id and schema version, both of which stay the same while a run is written."""
    for pause in (0.05, 0.05, 0.0):
        growing = Path(f"{path}-wal").exists() or Path(f"{path}-journal").exists()
        try:
            return _look_once(path, growing)
        except sqlite3.DatabaseError as error:
            # A writer that begins just now makes a sound file look damaged, for the moment of a commit.
            if not pause or error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                raise
            time.sleep(pause)
    raise AssertionError("the last pause is 0")


def _look_once(path: Path, growing: bool) -> tuple[int, int | None]:
    # `immutable` takes no lock and leaves nothing behind; `writable_schema` lets a file end before its last page, as it
    # may while a writer is at work or when one was killed: who opens it then will put that right, or notice.
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as connection:
        if growing:
            connection.execute("PRAGMA writable_schema = ON")
        identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
        if identity != APPLICATION_ID:
            return identity, None
        page = int(connection.execute("PRAGMA page_size").fetchone()[0])
        if not growing and path.stat().st_size % page:  # SQLite would take the missing bytes for zeros
            cut = sqlite3.DatabaseError("database disk image is malformed: it ends within a page")
            cut.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise cut
        version = connection.execute(f"SELECT version FROM {schema.name}").fetchone()
        return identity, version[0] if version else None


def create(path: Path, fill: Callable[[Connection], None]) -> None:
    """Make the file with what `fill` writes: at one moment it is not there, at the next it is complete."""
    taken = StoreError(f"{path} exists already: open it to go on with its run, or choose another name")
    rests = [rest for rest in ("-wal", "-journal") if Path(f"{path}{rest}").exists()]
    if path.exists():
        raise taken
    if rests:  # SQLite would write it into the new file
        raise StoreError(f"{path}{rests[0]} is left of a database that is gone: put that back, or remove this")
    if not path.parent.is_dir():
        raise StoreError(f"{path} cannot be made: there is no folder {path.parent}; make it first")
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.new")
    database = _connect(draft, "mode=rwc", "FULL")
    try:
        with database.write() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            fill(connection)
        database.close()
        _set_journal(draft)
        _publish(draft, path, taken)
    except StoreError as error:
        raise StoreError(str(error).replace(str(draft), str(path))) from error.__cause__
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}; choose a folder that can be written") from error
    finally:
        database.close()
        for rest in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{draft}{rest}")


def _publish(draft: Path, path: Path, taken: StoreError) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        raise taken from None
    except OSError:  # a file system without links: the race that a link would decide is left
        if path.exists():
            raise taken from None
        os.rename(draft, path)


def open_file(path: Path, readonly: bool) -> Database:
    """The database in `path`, which `check` has passed."""
    if readonly:
        # A reader who may write takes back what a killed writer left half done, and cleans up after himself. On a disk
        # that cannot be written SQLite cannot make the index of a WAL; where no WAL is left, it needs none.
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            options = "mode=rw"
        else:
            options = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        return _connect(path, options, "NORMAL", "PRAGMA query_only = ON")
    try:
        mode = _set_journal(path)
    except sqlite3.Error as error:
        raise StoreError(explain(str(path), error)) from error
    # In a WAL, NORMAL loses nothing when a process is killed, only when the machine itself goes down, and then just the
    # last moments: what is left is a whole earlier state from which the search goes on as it did. FULL would cost a
    # flush of the disk at each step of each trial. Without a WAL, NORMAL could damage the file.
    database = _connect(path, "mode=rw", "NORMAL" if mode == "wal" else "FULL")
    if shared_memory_works(path):  # else it is on a network, where a file need not keep its number
        _watch(database, path)
    return database


def _watch(database: Database, path: Path) -> None:
    """Have nothing written once the file is gone: the system would take it, and lose it when the file is closed."""
    known = _identity(path)

    @event.listens_for(database.engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("raynas_write", False) and _identity(path) != known:
            raise StoreError(
                f"{path} was removed, moved or replaced while it was written: put it back, or start under another name"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _set_journal(path: Path) -> str:
    """Give the file the journal that its file system bears; the journal that it has now."""
    wanted = "wal" if shared_memory_works(path) else "delete"
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        if mode != wanted:
            with suppress(sqlite3.OperationalError):  # somebody is reading: the next start will change it
                mode = str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
    return mode


def _connect(path: Path, options: str, synchronous: str, *pragmas: str) -> Database:
    uri = f"{path.absolute().as_uri()}?{options}"

    def connection() -> sqlite3.Connection:
        # No transactions of the driver's own: it would begin them late and without the write lock.
        made = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in (f"PRAGMA synchronous = {synchronous}", *pragmas):
            made.execute(pragma)
        return made

    engine = create_engine("sqlite+pysqlite://", creator=connection, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("raynas_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return Database(engine, str(path))
