"""Each released schema is kept as SQL text, and the newest code opens it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from raynas.store import SCHEMA_VERSION, Store
from raynas.store.sqlite import APPLICATION_ID
from raynas.trial import Trial, TrialState

FIXTURES = Path(__file__).parent / "fixtures"
Make = Callable[..., Trial]


def restore(fixture: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(fixture.read_text())
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def contents(make: Make, make_failed: Make) -> list[Trial]:
    return [
        make(0, note={"bracket": 1}),
        make_failed(1, "Traceback (most recent call last):\nValueError: no"),
        make(2, state=TrialState.RUNNING, metrics={}, order=None, ended=None, seconds=0.0, weights=None),
        make(3, twin=0, attempts=0),
    ]


def write(path: Path, make: Make, make_failed: Make) -> None:
    """What the fixture of the present schema holds."""
    with Store.create(path, {"seed": 3, "space": "{}"}, "digits", attachments={"evaluator": b"\x80\x04"}) as store:
        epoch = store.new_epoch("host:42")
        store.commit(epoch, contents(make, make_failed), {"f" * 64: "class Model: ...\n"})
        store.finish(epoch, "max_trials reached")


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_every_released_schema_is_opened(version: int, path: Path, make: Make, make_failed: Make) -> None:
    restore(FIXTURES / f"schema_{version}.sql", path)
    with Store.open(path, readonly=True) as reader:
        assert reader.trials() == contents(make, make_failed)
        assert reader.ended() == "max_trials reached"
    with Store.open(path) as store:
        assert store.name == "digits"
        assert store.definition() == {"seed": "3", "space": "{}"}
        assert store.attachment("evaluator").data == b"\x80\x04"
        assert store.source("f" * 64) == "class Model: ...\n"
        epoch = store.new_epoch("me")
        assert epoch == 2
        store.commit(epoch, [make(4)])
        assert store.trials() == [*contents(make, make_failed), make(4)]


def test_the_tables_are_those_of_the_fixture(path: Path, tmp_path: Path, make: Make, make_failed: Make) -> None:
    """A change of the tables is a new schema version, with a fixture of its own."""
    write(path, make, make_failed)
    restored = tmp_path / "restored.db"
    restore(FIXTURES / f"schema_{SCHEMA_VERSION}.sql", restored)

    def tables(of: Path) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(of)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            return [(name, " ".join(sql.split())) for name, sql in found]

    assert tables(path) == tables(restored)
