"""Store: a run's memory, which outlives every process that works on it."""

from __future__ import annotations

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, bindparam, func, select, update

from raynas.errors import StaleEpochError, StoreError
from raynas.store.database import Database
from raynas.store.opening import create_run, file_of, find_run, has_run, open_database
from raynas.store.reading import read_rows
from raynas.store.records import Attachment, Epoch
from raynas.store.rows import STATES, definition_texts, trials_of, unpacked
from raynas.store.schema import attachments, definitions, runs, sources, trials
from raynas.store.writing import Written, attach, clear, put, write_sources, write_trials
from raynas.trial import Trial, TrialState

T = TypeVar("T")

NEWEST = (
    update(runs)
    .where(runs.c.id == bindparam("run_"), runs.c.epoch == bindparam("epoch_"))
    .values(heartbeat=bindparam("now"))
)


class Store:
    """All that is known of one run: what it was asked, and every trial.

    One process at a time writes: the one that took the newest epoch. Any number may read meanwhile, each through a
    store of its own opened with `readonly=True`. A store may be used from several threads. Once it is open, it waits
    for a database server that is away, as while it is restarted, and goes on.

    Attributes:
        label: the file, or the URL without its password, as messages name it.
        name: the run's name.
        run_id: the run's own id, given when it was created.
        created: when that was, in seconds since 1970.
        readonly: whether it was opened for reading only.
    """

    def __init__(self, database: Database, readonly: bool, name: str | None) -> None:
        self._database = database
        self.label = database.label
        self.readonly = readonly
        with database.read() as connection:
            self._run, self.name, self.run_id, self.created = find_run(connection, self.label, name)
        self._written: Written | None = None

    @classmethod
    def create(
        cls,
        url: str | os.PathLike[str],
        definition: Mapping[str, Any],
        name: str,
        attachments: Mapping[str, bytes] = {},  # never written to
    ) -> Store:
        """Begin a run.

        Args:
            url: a path (an SQLite file, which must not exist) or any SQLAlchemy URL (whose database must).
            definition: what the run is asked: key to JSON-able value; a string is kept as it is.
            name: the run's name, unique in the database.
            attachments: name to bytes, written with it.

        Raises:
            StoreError: the file or the name is taken, or cannot be written.
        """
        create_run(os.fspath(url), definition_texts(definition), name, attachments)
        return cls.open(url, name=name)

    @classmethod
    def open(cls, url: str | os.PathLike[str], readonly: bool = False, name: str | None = None) -> Store:
        """Open a run's store.

        Args:
            url: a path or any SQLAlchemy URL.
            readonly: for everyone but the run's writer; works while that one writes.
            name: which run, where the database holds several.

        Raises:
            StoreError: it is not there, no store, damaged, or of another raynas; nothing has been changed.
        """
        database = open_database(os.fspath(url), readonly)
        try:
            return cls(database, readonly, name)
        except BaseException:
            database.close()
            raise

    @staticmethod
    def exists(url: str | os.PathLike[str], name: str) -> bool:
        """Whether there is a run of this name; for a file, whether there is a file."""
        return has_run(os.fspath(url), name)

    @staticmethod
    def file(url: str) -> str | None:
        """The path of the file that a URL names, as it stands there; None for a server's."""
        return file_of(url)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def definition(self) -> dict[str, str]:
        """What the run was asked: key to text, as `definition_texts` makes it."""
        chosen = select(definitions.c.key, definitions.c.text).where(definitions.c.run == self._run)
        return self._ask(lambda connection: dict(connection.execute(chosen).all()))

    def update_definition(self, epoch: int, changes: Mapping[str, Any]) -> None:
        """Change what may change when a run goes on; which keys these are is the caller's to decide."""
        texts = definition_texts(changes)

        def write(connection: Connection) -> None:
            for key, text in texts.items():
                put(connection, definitions, definitions.c.key, self._run, {"key": key, "text": text})

        self._write(epoch, write)

    def begin_anew(self, epoch: int, definition: Mapping[str, Any]) -> None:
        """Forget all trials, and have the run asked something else."""
        texts = definition_texts(definition)

        def write(connection: Connection) -> None:
            clear(connection, self._run, texts)
            self._written = None

        self._write(epoch, write)

    def attach(self, name: str, data: bytes) -> None:
        """Keep these bytes under this name, in place of those that were there."""
        self._check_writable()

        def write() -> None:
            with self._database.write() as connection:
                attach(connection, self._run, self.run_id, name, data)

        self._database.patiently(write)

    def attachment(self, name: str) -> Attachment:
        """What was attached under this name; `StoreError` where nothing was, or where it was changed since."""
        chosen = select(attachments.c.data, attachments.c.digest, attachments.c.writer)
        chosen = chosen.where(attachments.c.run == self._run, attachments.c.name == name)
        row = self._ask(lambda connection: connection.execute(chosen).first())
        if row is None:
            raise StoreError(f"{self.label} has no attachment '{name}': start the search from its program again")
        if hashlib.sha256(row.data).hexdigest() != row.digest:
            raise StoreError(f"{self.label}: the attachment '{name}' is damaged; restore the file from a copy")
        return Attachment(name, row.data, row.digest, row.writer)

    def new_epoch(self, owner: str) -> int:
        """Become the writer: from now on a commit under any earlier epoch is refused. The run counts as going on."""
        self._check_writable()
        now = time.time()
        this = runs.c.id == self._run
        values = {"owner": owner, "epoch_started": now, "heartbeat": now, "ended": None}

        def take() -> int:
            with self._database.write() as connection:
                connection.execute(update(runs).where(this).values(epoch=runs.c.epoch + 1, **values))
                epoch: int = connection.scalars(select(runs.c.epoch).where(this)).one()
            return epoch

        self._written = None
        return self._database.patiently(take)

    def current_epoch(self) -> Epoch | None:
        """The newest epoch; None where no writer has begun yet."""
        chosen = select(runs.c.epoch, runs.c.owner, runs.c.epoch_started, runs.c.heartbeat)
        row = self._ask(lambda connection: connection.execute(chosen.where(runs.c.id == self._run)).one())
        return Epoch(*row) if row.epoch else None

    def commit(self, epoch: int, trials: Iterable[Trial] = (), sources: Mapping[str, str] = {}) -> None:
        """Write trials as they now stand, and sources, all in one transaction; with neither, just the heartbeat.

        Args:
            epoch: the writer's own.
            trials: changed ones; of several states of one trial, the last counts.
            sources: fingerprint to source text; one that is there already is left.

        Raises:
            StaleEpochError: a newer writer has taken over; nothing was written.
            StoreError: the database could not be written; nothing was.
        """
        changed = tuple(trials)

        def write(connection: Connection) -> None:
            if self._written is None:
                self._written = Written.read(connection, self._run)
            write_trials(connection, self._run, changed, self._written)
            write_sources(connection, self._run, sources)

        self._write(epoch, write)
        if self._written is not None:
            self._written.words.fresh.clear()

    def finish(self, epoch: int, reason: str) -> None:
        """Record how the run ended (e.g. "max_trials reached"), until a new epoch begins."""
        ending = update(runs).where(runs.c.id == self._run).values(ended=reason)
        self._write(epoch, lambda connection: connection.execute(ending))

    def ended(self) -> str | None:
        """How the run ended; None while it goes on, or after a crash."""
        chosen = select(runs.c.ended).where(runs.c.id == self._run)
        reason: str | None = self._ask(lambda connection: connection.scalars(chosen).one())
        return reason

    def trials(self, brief: bool = False) -> list[Trial]:
        """All trials by number.

        Args:
            brief: leave out their reports and details; for lists, never to be committed again.
        """
        return self._read(None, brief)

    def trial(self, number: int) -> Trial:
        """The trial with this number."""
        found = self._read(number, False)
        if not found:
            raise StoreError(f"{self.label} has no trial {number}: `raynas top` lists what it has")
        return found[0]

    def count_by_state(self) -> dict[TrialState, int]:
        """How many trials are in each state."""
        chosen = select(trials.c.state, func.count()).where(trials.c.run == self._run).group_by(trials.c.state)
        rows = self._ask(lambda connection: connection.execute(chosen).all())
        found = {STATES[state]: number for state, number in rows}
        return {state: found.get(state, 0) for state in TrialState}

    def source(self, fingerprint: str) -> str | None:
        """The source text that was generated for this fingerprint; None where none was."""
        chosen = select(sources.c.data).where(sources.c.run == self._run, sources.c.fingerprint == fingerprint)
        data = self._ask(lambda connection: connection.scalars(chosen).first())
        return None if data is None else unpacked(data)

    def _read(self, number: int | None, brief: bool) -> list[Trial]:
        rows = self._ask(lambda connection: read_rows(connection, self._run, number, brief))
        try:
            return trials_of(*rows)
        except (ValueError, KeyError, TypeError, struct.error, zlib.error) as error:
            raise StoreError(f"{self.label} is damaged ({error!r}): restore it from a copy") from error

    def _ask(self, ask: Callable[[Connection], T]) -> T:
        """What `ask` finds in one transaction."""

        def asked() -> T:
            with self._database.read() as connection:
                return ask(connection)

        return self._database.patiently(asked)

    def _write(self, epoch: int, write: Callable[[Connection], object]) -> None:
        """Have `write` write in one transaction, as this epoch; it may be called again."""

        def written() -> None:
            try:
                with self._writing(epoch) as connection:
                    write(connection)
            except BaseException:
                self._written = None  # what of it was written is not known
                raise

        self._database.patiently(written)

    @contextmanager
    def _writing(self, epoch: int) -> Iterator[Connection]:
        self._check_writable()
        with self._database.write() as connection:
            # One statement that checks, locks the run against every other writer, and tells readers that it is alive.
            beat = {"run_": self._run, "epoch_": epoch, "now": time.time()}
            if connection.execute(NEWEST, beat).rowcount != 1:
                raise StaleEpochError(
                    f"{self.label}: a newer writer has taken over the run '{self.name}'; "
                    f"this one (epoch {epoch}) must stop"
                )
            yield connection

    def _check_writable(self) -> None:
        if self.readonly:
            raise StoreError(f"{self.label} was opened for reading only: open it with readonly=False to write")
