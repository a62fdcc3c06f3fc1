"""Writing trials: the latest state of each, and of their reports and texts only what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, Connection, Table, bindparam, delete, func, insert, select, update

from raynas.store.reading import read_words
from raynas.store.rows import STATE_COLUMNS, Words, packed, proposal_row, report_rows, state_row
from raynas.store.schema import attachments, definitions, details, reports, sources, trials, words
from raynas.trial import Trial

T = TypeVar("T")


class Known(NamedTuple):
    """What is written of a trial already, as far as it decides what has to be."""

    number: int
    attempts: int
    started: float | None
    reports: int
    detailed: bool


class Written:
    """What the writer remembers of what it has written, so that it needs not look.

    Attributes:
        words: the texts that rows share.
        last: the highest number of a trial; -1 where there is none.
        open: of the trials that this writer wrote and that have not ended, what is written.
    """

    def __init__(self, words: Words, last: int) -> None:
        self.words = words
        self.last = last
        self.open: dict[int, Known] = {}

    @classmethod
    def read(cls, connection: Connection, run: int) -> Written:
        """What a new writer finds."""
        last = connection.scalar(select(func.max(trials.c.number)).where(trials.c.run == run))
        return cls(Words(read_words(connection, run)), -1 if last is None else last)


# Statements are made once: to make one costs as much as to execute it, and each step of each trial needs several.
KNOWN = select(*(trials.c[name] for name in Known._fields)).where(
    trials.c.run == bindparam("run_"), trials.c.number.in_(bindparam("numbers", expanding=True))
)
UPDATE = (
    update(trials)
    .where(trials.c.run == bindparam("run_"), trials.c.number == bindparam("number_"))
    .values({name: bindparam(name) for name in STATE_COLUMNS})
)
INSERT = {table: insert(table) for table in (words, trials, reports, details, sources)}
THERE = select(sources.c.fingerprint).where(
    sources.c.run == bindparam("run_"), sources.c.fingerprint.in_(bindparam("keys", expanding=True))
)


def write_trials(connection: Connection, run: int, changed: Iterable[Trial], written: Written) -> None:
    """Write these trials; of several states of one trial, the last."""
    latest = {trial.number: trial for trial in changed}
    known = _known(connection, run, latest, written)
    added: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    outdated: list[int] = []
    untold: list[int] = []
    for number, trial in latest.items():
        before = known.get(number)
        if before is None:
            added.append({"run": run, **proposal_row(trial, written.words), **state_row(trial)})
        else:
            kept.append({"run_": run, "number_": number, **state_row(trial)})
        start = before.reports if before is not None and _continues(before, trial) else 0
        if before is not None and before.reports and not start:
            outdated.append(number)
        said.extend({"run": run, **report} for report in report_rows(trial, start, written.words))
        if before is not None and before.detailed:
            untold.append(number)
        if trial.detail:
            told.append({"run": run, "trial": number, "data": packed(trial.detail)})

    fresh = [{"run": run, "id": number, "text": written.words.texts[number]} for number in written.words.fresh]
    _delete(connection, reports, run, outdated)
    _delete(connection, details, run, untold)
    for table, rows in ((words, fresh), (trials, added), (reports, said), (details, told)):
        if rows:
            connection.execute(INSERT[table], rows)
    if kept:
        connection.execute(UPDATE, kept)
    _remember(latest, written)


def _known(connection: Connection, run: int, latest: Mapping[int, Trial], written: Written) -> dict[int, Known]:
    """What is written of these trials; of new ones, nothing."""
    known = {number: written.open[number] for number in latest if number in written.open}
    asked = [number for number in latest if number <= written.last and number not in known]
    for some in chunks(asked):
        for row in connection.execute(KNOWN, {"run_": run, "numbers": some}):
            known[row.number] = Known(*row)
    return known


def _remember(latest: Mapping[int, Trial], written: Written) -> None:
    for number, trial in latest.items():
        written.last = max(written.last, number)
        if trial.state.ended:
            written.open.pop(number, None)
        else:
            written.open[number] = Known(number, trial.attempts, trial.started, len(trial.reports), bool(trial.detail))


def write_sources(connection: Connection, run: int, texts: Mapping[str, str]) -> None:
    """Write the sources that are not there yet."""
    for some in chunks(texts):
        there = set(connection.scalars(THERE, {"run_": run, "keys": some}))
        rows = [{"run": run, "fingerprint": key, "data": packed(texts[key])} for key in some if key not in there]
        if rows:
            connection.execute(INSERT[sources], rows)


def clear(connection: Connection, run: int, texts: Mapping[str, str]) -> None:
    """Leave nothing of a run but what it is asked, now by these texts."""
    for table in (trials, reports, details, sources, words, definitions):
        connection.execute(delete(table).where(table.c.run == run))
    connection.execute(insert(definitions), [{"run": run, "key": key, "text": text} for key, text in texts.items()])


def put(connection: Connection, table: Table, key: Column[str], run: int, row: Mapping[str, Any]) -> None:
    """Write the row whose `key` this is, over the one that may be there."""
    connection.execute(delete(table).where(table.c.run == run, key == row[key.name]))
    connection.execute(insert(table), {"run": run, **row})


def attach(connection: Connection, run: int, run_id: str, name: str, data: bytes) -> None:
    """Write an attachment, with its digest and the id of the run that writes it."""
    row = {"name": name, "writer": run_id, "digest": hashlib.sha256(data).hexdigest(), "data": data}
    put(connection, attachments, attachments.c.name, run, row)


def chunks(items: Iterable[T], size: int = 500) -> Iterator[Sequence[T]]:
    """The items in lists that a statement's `IN` can take."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _continues(before: Known, trial: Trial) -> bool:
    """Whether the reports that are written are the first ones of `trial`: those of the same attempt."""
    same_attempt = before.attempts == trial.attempts and before.started == trial.started
    return same_attempt and before.reports <= len(trial.reports)


def _delete(connection: Connection, table: Table, run: int, numbers: Sequence[int]) -> None:
    for some in chunks(numbers):
        connection.execute(delete(table).where(table.c.run == run, table.c.trial.in_(some)))
