"""Trials as rows and back, exactly: what is read equals what was written, also its floats and the order of its labels.

What programs say goes in as JSON in ASCII, or as bytes: these take what some databases refuse in a text, such as a zero
character or half a surrogate pair.
"""

from __future__ import annotations

import gc
import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from raynas.errors import StoreError
from raynas.search_space import Sample
from raynas.trial import Cause, Report, Trial, TrialKey, TrialState

STATES = {state.value: state for state in TrialState}
CAUSES: dict[str | None, Cause | None] = {None: None, **{cause.value: cause for cause in Cause}}

TRIAL_COLUMNS = (
    "number",
    "state",
    "sample",
    "fingerprint",
    "evaluator",
    "code",
    "budget",
    "warm_start",
    "replicate",
    "note",
    "metrics",
    "twin",
    "attempts",
    "cause",
    "message",
    "ended_order",
    "proposed",
    "started",
    "ended",
    "seconds",
    "weights",
)

STATE_COLUMNS = (
    "state",
    "metrics",
    "twin",
    "attempts",
    "cause",
    "message",
    "ended_order",
    "started",
    "ended",
    "seconds",
    "weights",
    "reports",
    "detailed",
)


class Words:
    """Texts that many rows share, each known by a small number.

    Attributes:
        texts: number to text.
        fresh: the numbers that were given since this was made, whose texts are still to be written.
    """

    def __init__(self, texts: Mapping[int, str]) -> None:
        self.texts = dict(texts)
        self.fresh: list[int] = []
        self._numbers = {text: number for number, text in texts.items()}

    def number(self, text: str) -> int:
        """The text's number; a new one where it has none."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts[number] = text
            self.fresh.append(number)
        return number


def definition_texts(definition: Mapping[str, Any]) -> dict[str, str]:
    """A definition as it is stored: a string stays what it is, any other value becomes its JSON, with sorted keys."""
    return {
        key: value if isinstance(value, str) else _json(f"the definition's '{key}'", value, sort_keys=True)
        for key, value in definition.items()
    }


def proposal_row(trial: Trial, words: Words) -> dict[str, Any]:
    """Of the trial's row in the table `trials`, what stays as it was proposed; without its run."""
    key = trial.key
    where = f"trial {trial.number}'s"
    return {
        "number": trial.number,
        # In the order of its labels: a strategy may walk through them, and a resumed run must walk the same way.
        "sample": _json(f"{where} sample", dict(trial.sample)),
        "fingerprint": key.fingerprint,
        "evaluator": words.number(key.evaluator),
        "code": words.number(key.code),
        "budget": key.budget,
        "warm_start": key.warm_start,
        "replicate": key.replicate,
        "note": _json(f"{where} note", dict(trial.note)) if trial.note else None,
        "proposed": trial.proposed,
    }


def state_row(trial: Trial) -> dict[str, Any]:
    """What changes of that row: `STATE_COLUMNS`."""
    return {
        "state": trial.state.value,
        "metrics": _json(f"trial {trial.number}'s metrics", dict(trial.metrics)) if trial.metrics else None,
        "twin": trial.twin,
        "attempts": trial.attempts,
        "cause": trial.cause.value if trial.cause else None,
        "message": json.dumps(trial.message) if trial.message else None,
        "ended_order": trial.order,
        "started": trial.started,
        "ended": trial.ended,
        "seconds": trial.seconds,
        "weights": trial.weights,
        "reports": len(trial.reports),
        "detailed": bool(trial.detail),
    }


def report_rows(trial: Trial, start: int, words: Words) -> Iterator[dict[str, Any]]:
    """The rows of the trial's reports from place `start` on, without their run."""
    for place, report in enumerate(trial.reports[start:], start):
        try:
            numbers = struct.pack(f"<{len(report.metrics)}d", *report.metrics.values())
        except (struct.error, OverflowError) as error:
            raise StoreError(f"trial {trial.number}'s report cannot be stored: {error}; report numbers") from error
        yield {
            "trial": trial.number,
            "place": place,
            "step": report.step,
            "names": words.number(json.dumps(list(report.metrics))),
            "numbers": numbers,
        }


def packed(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogatepass"))


def unpacked(data: bytes) -> str:
    return zlib.decompress(data).decode("utf-8", "surrogatepass")


def trials_of(
    rows: Sequence[Sequence[Any]],
    reports: Iterable[Sequence[Any]],
    details: Iterable[Sequence[Any]],
    texts: Mapping[int, str],
) -> list[Trial]:
    """The trials in these rows, by number.

    Args:
        rows: of `trials`, `TRIAL_COLUMNS` each.
        reports: (trial, step, names, numbers) of all their reports, each trial's in their order.
        details: (trial, data).
        texts: the run's words.
    """
    with _no_collection():
        said = _reports_of(reports, texts)
        told = {number: unpacked(data) for number, data in details}
        # One call per column instead of one per row: among 100,000 trials the calls themselves count.
        samples = json.loads(f"[{','.join([row[2] for row in rows])}]")
        notes = json.loads(f"[{','.join([row[9] or '{}' for row in rows])}]")
        metrics = json.loads(f"[{','.join([row[10] or '{}' for row in rows])}]")
        trials = [
            Trial(
                row[0],
                Sample(sample),
                TrialKey(row[3], texts[row[4]], texts[row[5]], row[6], row[7], row[8]),
                STATES[row[1]],
                note,
                measured,
                said.get(row[0], ()),
                row[11],
                row[12],
                CAUSES[row[13]],
                json.loads(row[14]) if row[14] else "",
                told.get(row[0], ""),
                *row[15:],
            )
            for row, sample, note, measured in zip(rows, samples, notes, metrics, strict=True)
        ]
    trials.sort(key=lambda trial: trial.number)
    return trials


def _reports_of(rows: Iterable[Sequence[Any]], texts: Mapping[int, str]) -> dict[int, tuple[Report, ...]]:
    found: dict[int, list[Report]] = {}
    shapes: dict[int, tuple[list[str], struct.Struct]] = {}
    for trial, step, word, numbers in rows:
        if word not in shapes:
            names = json.loads(texts[word])
            shapes[word] = names, struct.Struct(f"<{len(names)}d")
        names, shape = shapes[word]
        found.setdefault(trial, []).append(Report(step, dict(zip(names, shape.unpack(numbers), strict=True))))
    return {trial: tuple(reports) for trial, reports in found.items()}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Python's cycle collector off: a million new objects, none of them garbage, would make it walk them all again and
    again, which doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _json(what: str, value: Any, sort_keys: bool = False) -> str:
    try:
        return json.dumps(value, sort_keys=sort_keys)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} cannot be stored: {error}; use plain JSON data") from error
