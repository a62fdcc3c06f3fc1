"""How a run begins in a database and how it is found again, whatever the database is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from contextlib import closing

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.exc import IntegrityError

from raynas.errors import StoreError
from raynas.store import sqlite
from raynas.store.database import Database, connect, parse
from raynas.store.schema import SCHEMA_VERSION, definitions, metadata, runs, schema
from raynas.store.writing import attach


def create_run(url: str, definition: Mapping[str, str], name: str, attachments: Mapping[str, bytes]) -> None:
    """Write a new run, all at once; what it is made of is described at `Store.create`."""

    def fill(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":  # of two that begin at the same time one makes the tables
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({int.from_bytes(b'raynas', 'big')})")
        metadata.create_all(connection)
        if connection.scalar(select(schema.c.version)) is None:
            connection.execute(insert(schema), {"version": SCHEMA_VERSION})
        uid = uuid.uuid4().hex
        connection.execute(insert(runs), {"name": name, "uuid": uid, "created": time.time()})
        run = connection.scalars(select(runs.c.id).where(runs.c.uuid == uid)).one()
        if definition:
            connection.execute(insert(definitions), [{"run": run, "key": k, "text": t} for k, t in definition.items()])
        for attached, data in attachments.items():
            attach(connection, run, uid, attached, data)

    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        sqlite.create(sqlite.path_of(parsed), fill)
        return
    with closing(connect(parsed)) as database:
        with database.read() as connection:
            if inspect(connection).has_table(schema.name):
                check_version(connection.scalar(select(schema.c.version)), database.label)
        try:
            with database.write() as connection:
                fill(connection)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise StoreError(
                    f"{database.label} has a run '{name}' already: open it to go on with it, or choose another name"
                ) from error
            raise


def file_of(url: str) -> str | None:
    """The path of the file that `url` names, as it stands there; None for a server's."""
    parsed = parse(url)
    return str(sqlite.path_of(parsed)) if parsed.get_backend_name() == "sqlite" else None


def has_run(url: str, name: str) -> bool:
    """Whether there is a run of this name, or something in its place that is no store."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return sqlite.is_there(sqlite.path_of(parsed))
    with closing(connect(parsed)) as database, database.read() as connection:
        if not inspect(connection).has_table(schema.name):
            return False
        check_version(connection.scalar(select(schema.c.version)), database.label)
        return connection.scalar(select(runs.c.id).where(runs.c.name == name)) is not None


def open_database(url: str, readonly: bool) -> Database:
    """The database at `url`, once it is known to be a store of this schema."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        path = sqlite.path_of(parsed)
        check_version(sqlite.check(path), str(path))
        return sqlite.open_file(path, readonly)
    database = connect(parsed)
    try:
        with database.read() as connection:
            if not inspect(connection).has_table(schema.name):
                raise StoreError(f"{database.label} holds no run: check the name, or begin one with `raynas search`")
            check_version(connection.scalar(select(schema.c.version)), database.label)
    except BaseException:
        database.close()
        raise
    return database


def check_version(version: int | None, label: str) -> None:
    """Raise `StoreError` where this is not a schema version that can be read here."""
    if version == SCHEMA_VERSION:
        return
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise StoreError(
            f"{label} was written by a newer raynas (schema {version}, this one reads {SCHEMA_VERSION}): update raynas"
        )
    raise StoreError(f"{label} has the unknown schema version {version!r}: restore it from a copy")


def find_run(connection: Connection, label: str, name: str | None) -> tuple[int, str, str, float]:
    """Number, name, id and time of creation of the run with this name, or of the only one there is."""
    found = connection.execute(select(runs.c.id, runs.c.name, runs.c.uuid, runs.c.created).order_by(runs.c.id)).all()
    chosen = [row for row in found if name is None or row.name == name]
    names = ", ".join(f"'{row.name}'" for row in found)
    if not found:
        raise StoreError(f"{label} has no run at all: restore it from a copy, or name another database")
    if not chosen:
        raise StoreError(f"{label} has no run '{name}', but {names}: use that name, or another database")
    if len(chosen) > 1:
        raise StoreError(f"{label} holds several runs: name one of {names}")
    return chosen[0].id, chosen[0].name, chosen[0].uuid, chosen[0].created
