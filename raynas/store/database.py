"""Database: transactions on any SQLAlchemy URL, and one-line errors that name the file or server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from raynas.errors import StoreError

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds for which a store waits for its server: time to restart one, or its machine."""

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between two looks whether the server is back; the last one again and again."""

AWAY = ("08", "57P")
"""How the SQLSTATEs begin that say that a connection is gone or refused, whatever was sent over it."""

SERVER = {"connect_timeout": "10", "keepalives_idle": "30", "tcp_user_timeout": "30000"}
"""PostgreSQL's own words for: notice within a minute that its machine is gone, instead of waiting for hours."""

SNAPSHOTS = frozenset({"postgresql", "mysql", "mariadb"})
"""Backends whose transactions see one moment only where they are told so; an SQLite transaction always does."""

CURES = {
    "disk is full": "the disk is full; what was committed is safe: free some space and start the run again",
    "disk I/O error": "the disk cannot be read or written; check it and its free space, and start the run again",
    "database is locked": "another process keeps it locked; end that one, or try again",
    "malformed": "it is truncated or damaged; restore it from a copy",
    "not a database": "it is truncated or damaged; restore it from a copy",
    "readonly database": "it must not be written; open it as a user who may, or on a disk that is not read-only",
    "No space left on device": "its disk is full; what was committed is safe: free some space and start the run again",
    "password authentication failed": "user and password are not its own: check the URL",
    "permission denied": "its role may not do that: grant it all on the schema and its tables, or take another",
    "FATAL: database": "it has no such database: create it, or check the URL",
    "FATAL: role": "it has no such user: create it, or check the URL",
    "failed to resolve host": "nobody knows its host's name: check the URL",
    "connection timeout expired": "no server answers there: start it, or check the URL's host and port",
    "does not support SSL": "it has no SSL: check the URL's sslmode, or give the server a certificate",
    "invalid sslmode": "it cannot be reached so: check what stands behind the URL's '?'",
    "invalid connection option": "it cannot be reached so: check what stands behind the URL's '?'",
    "onnection refused": "no server answers there: start it, or check the URL's host and port",
    "unable to open": "it cannot be opened; check that it is there and that this user may read and write its folder",
}


class Database:
    """Where a store's tables lie.

    Attributes:
        engine: the connections.
        label: how messages name it: a path, or a URL without its password.
        patience: seconds for which `patiently` waits for a server that is away.
    """

    def __init__(self, engine: Engine, label: str, patience: float = 0.0) -> None:
        self.engine = engine
        self.label = label
        self.patience = patience

    def patiently(self, act: Callable[[], T]) -> T:
        """What `act` returns; while the server is away it waits, and does it again from the start.

        Args:
            act: reads, or writes what may be written twice: of a transaction whose connection broke while it was
                committed nobody knows whether it was.
        """
        limit = time.monotonic() + self.patience
        attempt = 0
        while True:
            try:
                return act()
            except StoreError as error:
                if not is_away(error.__cause__) or time.monotonic() >= limit:
                    raise
                time.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees the database at one moment, whatever is written meanwhile."""
        with self._errors(), self.engine.connect() as connection:
            if self.engine.dialect.name in SNAPSHOTS:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is written as a whole, or, where an error leaves the block, not at all."""
        with self._errors(), self.engine.connect() as connection:
            connection.execution_options(raynas_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise StoreError(explain(self.label, error)) from error
        except (OverflowError, UnicodeEncodeError) as error:  # what a driver raises at a value it cannot pass on
            raise StoreError(f"{self.label}: a value cannot be stored: {error}") from error


def explain(label: str, error: Exception) -> str:
    """One line on a database's error: which database, what is wrong, what helps."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    # PostgreSQL's own words come with the statement, of which a user knows nothing.
    plain = getattr(getattr(origin, "diag", None), "message_primary", None) or origin
    said = " ".join(str(plain).split())
    if isinstance(error, DataError):
        return f"{label}: a value cannot be stored: {said}"
    for words, cure in CURES.items():
        if words in said:
            return f"{label}: {cure} ({said})"
    return f"{label}: {said}"


def parse(url: str) -> URL:
    """`url` as SQLAlchemy's, a plain path as that of an SQLite file."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    hidden = re.sub(r"(://[^:/]*):.*@", r"\1:***@", url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(
            f"'{hidden}' is no database URL: write a path, or e.g. postgresql://user@host/database"
        ) from None
    if parsed.get_backend_name() != "sqlite" and url.count("@") > 1:  # the rest of a password would be the host
        raise StoreError(f"'{hidden}' has more than one '@': write %40 for those in its password or its names")
    return parsed


def is_away(error: BaseException | None) -> bool:
    """Whether this is a server's that cannot be reached now, rather than an answer of it."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state.startswith(AWAY)


def connect(url: URL) -> Database:
    """The database server at `url`; nothing is sent to it yet."""
    secret = [key for key in url.query if "password" in key]
    label = url.difference_update_query(secret).render_as_string(hide_password=True)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg", query={**SERVER, **url.query})
    try:
        # A server may be restarted in the middle of a search: a dead connection is found before it is used.
        return Database(create_engine(url, pool_pre_ping=True), label, PATIENCE)
    except NoSuchModuleError:
        raise StoreError(
            f"{label}: SQLAlchemy knows no database '{url.drivername}': check the URL's spelling"
        ) from None
    except ModuleNotFoundError as error:
        package = "'raynas[postgres]'" if error.name == "psycopg" else error.name
        raise StoreError(f"{label}: its driver is missing: pip install {package}") from None
    except SQLAlchemyError as error:
        raise StoreError(explain(label, error)) from error
