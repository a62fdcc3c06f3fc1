"""The tables of a store, as of `SCHEMA_VERSION`.

A database may hold several runs, each under its own name (a PostgreSQL server usually does; an SQLite file holds one).
Columns keep to types that every SQL database has; times are seconds since the epoch, kept for people and never for
order. What makes a change of these tables: a new `SCHEMA_VERSION`, and a fixture of the old one under
`tests/store/fixtures`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

metadata = MetaData()

schema = Table("raynas_schema", metadata, Column("version", Integer, nullable=False))

runs = Table(
    "raynas_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("uuid", String(32), nullable=False),
    Column("created", Double, nullable=False),
    Column("epoch", Integer, nullable=False, default=0),
    Column("owner", Text),
    Column("epoch_started", Double),
    Column("heartbeat", Double),
    Column("ended", Text),
    UniqueConstraint("name"),
)


def run() -> Column[int]:
    """The column that says to which run a row belongs; first in every primary key."""
    return Column("run", Integer, primary_key=True, autoincrement=False)


definitions = Table(
    "raynas_definitions",
    metadata,
    run(),
    Column("key", String(255), primary_key=True),
    Column("text", Text, nullable=False),
)

attachments = Table(
    "raynas_attachments",
    metadata,
    run(),
    Column("name", String(255), primary_key=True),
    Column("writer", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
)

words = Table(
    "raynas_words",
    metadata,
    run(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
)
"""Texts that many rows share (digests, lists of metric names), written once each: a trial must fit in 1 KB."""

trials = Table(
    "raynas_trials",
    metadata,
    run(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("sample", Text, nullable=False),
    Column("fingerprint", String(255), nullable=False),
    Column("evaluator", Integer, nullable=False),
    Column("code", Integer, nullable=False),
    Column("budget", Double),
    Column("warm_start", Integer),
    Column("replicate", Integer, nullable=False),
    Column("note", Text),
    Column("metrics", Text),
    Column("twin", Integer),
    Column("attempts", Integer, nullable=False),
    Column("cause", String(32)),
    Column("message", Text),
    Column("ended_order", Integer),
    Column("proposed", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("seconds", Double, nullable=False),
    Column("weights", Text),
    Column("reports", Integer, nullable=False),
    Column("detailed", Boolean, nullable=False),
)
"""`evaluator` and `code` are words; `sample`, `note`, `metrics` and `message` are JSON (None: empty); `reports` and
`detailed` say how many rows the two tables below hold for this trial."""

reports = Table(
    "raynas_reports",
    metadata,
    run(),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("step", BigInteger, nullable=False),
    Column("names", Integer, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""`names` is a word, the JSON list of the metrics' names; `numbers` are their values as little-endian doubles: exact,
and a third of what JSON takes where a trial reports every epoch."""

details = Table(
    "raynas_details",
    metadata,
    run(),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""Traceback and output of a failed trial, compressed; apart from the trials, so that listing those stays cheap."""

sources = Table(
    "raynas_sources",
    metadata,
    run(),
    Column("fingerprint", String(255), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
