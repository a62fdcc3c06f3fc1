"""Attaching: come to watch a search that another process has started."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from raynas.errors import SearchError
from raynas.experiment.follow import PAUSE, OnProgress, Remote, follow, reached
from raynas.experiment.place import Place
from raynas.experiment.record import Record
from raynas.experiment.start import Start, going_on
from raynas.search import Ending, EndKind, Progress
from raynas.trial import History, TrialState

ANSWER = 15.0
"""Seconds in which a search that goes on answers."""

BEGINNING = 120.0
"""Seconds in which a start that is on its way has begun."""

SILENCE = 30.0
"""Seconds without an answer after which another's search is gone."""

MOMENT = 3.0
"""The same, for one that has not been heard of yet."""


def watch_another(
    place: Place, on_progress: OnProgress, found: Callable[[Start], None], verbose: bool = False
) -> Ending | None:
    """Watch the run's search until it ends, if there is one.

    Args:
        place: the run's.
        on_progress: is shown where the search stands.
        found: is told who searches, before anything is shown; what it raises passes through.
        verbose: whether Ray may print.

    Returns:
        How it ended; None where nobody searches, or where that one has gone without an end.

    Raises:
        KeyboardInterrupt: the watching was ended; the search goes on.
    """
    told: Start | None = None
    shown: list[Progress] = []
    answered = time.monotonic()

    def show(progress: Progress) -> None:
        shown[:] = [progress]
        on_progress(progress)

    while (start := _begun(place)) is not None:
        with reached(start, verbose) as remote:
            if remote is not None and _answers(remote):
                if told != start:
                    found(start)
                told = start
                with suppress(SearchError):
                    return follow(remote, show, False, SILENCE, partial(_may_live, start))
                answered = time.monotonic()
        ending = stored_ending(place)
        if ending is not None:  # it was on the way to us when Ray went
            if shown:
                on_progress(_last(shown[0], Record.read(place), ending))
            return ending
        # While its process lives, that one makes the actor again after an accident.
        patience = SILENCE if told == start else MOMENT
        gone = start.own or not start.may_live or time.monotonic() - answered >= patience
        if gone and _now(place) == start:
            return None
        time.sleep(PAUSE)
    return None


def _last(shown: Progress, record: Record, ending: Ending) -> Progress:
    """Where a search stood at its end, of which something else was shown last."""
    own = [trial.state for trial in record.trials if trial.twin is None]
    return replace(
        shown,
        done=record.done,
        running=0,
        failed=own.count(TrialState.FAILED),
        answered=len(record.trials) - len(own),
        rejected=own.count(TrialState.INFEASIBLE),
        best=History.of(record.trials, record.definition.objectives).best,
        time_left=0.0,
        ended=ending.message,
    )


def _may_live(start: Start) -> bool:
    return start.may_live


def _answers(remote: Remote) -> bool:
    try:
        remote.call("watch", 0, timeout=ANSWER)
    except (TimeoutError, SearchError):
        return False
    return True


def _begun(place: Place) -> Start | None:
    """The start that goes on, once it has got as far as to have an actor."""
    until = time.monotonic() + BEGINNING
    while (start := _now(place)) is not None and not start.address:
        if start.own or not start.in_ray or not start.may_live or time.monotonic() > until:
            return None
        time.sleep(PAUSE)
    return start


def _now(place: Place) -> Start | None:
    with place.open(readonly=True) as store:
        return going_on(store)


def stored_ending(place: Place) -> Ending | None:
    """How a run has ended, as its store has it; None where it has not."""
    with place.open(readonly=True) as store:
        kind, _, message = (store.ended() or "").partition(": ")
    if not kind:
        return None
    error = SearchError(message) if kind == EndKind.FAILED else None
    return Ending(EndKind(kind), message, error)
