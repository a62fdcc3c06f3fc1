"""Database: transactions on any SQLAlchemy URL, and one-line errors that name the file or server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from raynas.errors import StoreError

SNAPSHOTS = frozenset({"postgresql", "mysql", "mariadb"})
"""Backends whose transactions see one moment only where they are told so; an SQLite transaction always does."""

CURES = {
    "disk is full": "the disk is full; what was committed is safe: free some space and start the run again",
    "disk I/O error": "the disk cannot be read or written; check it and its free space, and start the run again",
    "database is locked": "another process keeps it locked; end that one, or try again",
    "malformed": "it is truncated or damaged; restore it from a copy",
    "not a database": "it is truncated or damaged; restore it from a copy",
    "readonly database": "it must not be written; open it as a user who may, or on a disk that is not read-only",
    "unable to open": "it cannot be opened; check that it is there and that this user may read and write its folder",
}


class Database:
    """Where a store's tables lie.

    Attributes:
        engine: the connections.
        label: how messages name it: a path, or a URL without its password.
    """

    def __init__(self, engine: Engine, label: str) -> None:
        self.engine = engine
        self.label = label

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
    said = " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
    for words, cure in CURES.items():
        if words in said:
            return f"{label}: {cure} ({said})"
    return f"{label}: {said}"


def parse(url: str) -> URL:
    """`url` as SQLAlchemy's, a plain path as that of an SQLite file."""
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(f"'{url}' is no database URL: write a path, or e.g. postgresql://user@host/database") from None


def connect(url: URL) -> Database:
    """The database server at `url`; nothing is sent to it yet."""
    label = url.render_as_string(hide_password=True)
    try:
        # A server may be restarted in the middle of a search: a dead connection is found before it is used.
        return Database(create_engine(url, pool_pre_ping=True), label)
    except NoSuchModuleError:
        raise StoreError(
            f"{label}: SQLAlchemy knows no database '{url.drivername}': check the URL's spelling"
        ) from None
    except ModuleNotFoundError as error:
        raise StoreError(f"{label}: its driver is missing: pip install {error.name}") from None
    except SQLAlchemyError as error:
        raise StoreError(explain(label, error)) from error
