"""Reading trials: a few statements for all of them, joined in Python, which is far cheaper than one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from raynas.store.rows import TRIAL_COLUMNS
from raynas.store.schema import details, reports, trials, words

Rows = Sequence[Sequence[Any]]


def read_rows(
    connection: Connection, run: int, number: int | None, brief: bool
) -> tuple[Rows, Rows, Rows, dict[int, str]]:
    """What `trials_of` takes, for one trial or (None) for all; without reports and details where `brief`."""

    def these(of: ColumnElement[int], trial: ColumnElement[int]) -> list[ColumnElement[bool]]:
        return [of == run] if number is None else [of == run, trial == number]

    found = select(*(trials.c[name] for name in TRIAL_COLUMNS)).where(*these(trials.c.run, trials.c.number))
    rows = connection.execute(found).all()
    texts = read_words(connection, run)
    if brief:
        return rows, (), (), texts
    said = select(reports.c.trial, reports.c.step, reports.c.names, reports.c.numbers)
    said = said.where(*these(reports.c.run, reports.c.trial)).order_by(reports.c.trial, reports.c.place)
    told = select(details.c.trial, details.c.data).where(*these(details.c.run, details.c.trial))
    return rows, connection.execute(said).all(), connection.execute(told).all(), texts


def read_words(connection: Connection, run: int) -> dict[int, str]:
    """The run's words: number to text."""
    return dict(connection.execute(select(words.c.id, words.c.text).where(words.c.run == run)).all())
