"""From afar: the search of a run that goes on somewhere, found by the run's store, or in a cluster by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raynas.errors import SearchError
from raynas.experiment.attach import watch_another
from raynas.experiment.follow import OnProgress, Remote, reached, session
from raynas.experiment.place import Place, find
from raynas.experiment.record import Record
from raynas.experiment.start import Start, going_on
from raynas.search import Ending

ANSWER = 30.0
"""Seconds in which a search that goes on answers."""


@contextmanager
def searching(
    run: str | os.PathLike[str],
    storage_path: str | os.PathLike[str] = "runs",
    store: str | None = None,
    address: str | None = None,
    verbose: bool = False,
) -> Iterator[Remote]:
    """The search of a run, which must go on.

    Args:
        run: its name, or the path of its folder.
        storage_path: the folder of all runs, for a name.
        store: URL of its database, where it has one.
        address: of the cluster in which it is searched, where its folder and database cannot be reached from here:
            "HOST:6379", or "auto" in the cluster itself.
        verbose: whether Ray may print.

    Raises:
        SearchError: nobody searches it.
        ResourceError: there is no cluster at the address.
    """
    if address is not None:
        with _in_cluster(os.fspath(run), address, verbose) as remote:
            yield remote
        return
    place = find(run, storage_path, store)
    start = _start_of(place)
    with reached(start, verbose) as remote_or_none:
        if remote_or_none is None:
            raise _silent(place, start)
        yield remote_or_none


def watch(place: Place, on_progress: OnProgress, found: Callable[[], None], verbose: bool = False) -> Ending:
    """Watch the search of a run whose store can be reached from here, to its end.

    Args:
        place: the run's.
        on_progress: is shown where the search stands.
        found: is called before that.
        verbose: whether Ray may print.

    Raises:
        SearchError: nobody searches it.
        KeyboardInterrupt: the watching was ended.
    """
    start = _start_of(place)
    ending = watch_another(place, on_progress, lambda _: found(), verbose)
    if ending is None:
        raise _silent(place, start)
    return ending


def _start_of(place: Place) -> Start:
    with place.open(readonly=True) as opened:
        start, ended = going_on(opened), opened.ended()
    if start is None:
        how = f"it has ended ({ended.partition(': ')[2] or ended})" if ended else "it was cut off"
        raise SearchError(f"nobody searches run '{place.name}', {how}: `raynas search` goes on with it")
    return start


def _silent(place: Place, start: Start) -> SearchError:
    """The error that nobody answers; of a search that has ended meanwhile, that."""
    try:
        _start_of(place)
    except SearchError as ended:
        return ended
    return SearchError(
        f"run '{place.name}' was searched by {start.describe()}, where nobody answers: `raynas search` goes on with it"
    )


def record_from(run: str, address: str, verbose: bool = False) -> Record:
    """What the run's store tells, asked of those who search it in a cluster."""
    with _in_cluster(run, address, verbose) as remote:
        return told(remote)


def told(remote: Remote) -> Record:
    """What the store of a search tells, which is asked itself."""
    try:
        record: Record = remote.call("record", timeout=ANSWER)
    except TimeoutError:
        raise SearchError("the search does not answer: try again") from None
    return record


@contextmanager
def _in_cluster(run: str, address: str, verbose: bool) -> Iterator[Remote]:
    with session(verbose, address, token=True) as ray:
        names = ray.names()
        matching = [name for name in names if run in (name, name.rpartition(":")[0])]
        found = [remote for name in matching if (remote := ray.find(name)) is not None and _goes_on(remote)]
        if not found:
            there = sorted({name.rpartition(":")[0] for name in names})
            has = f"there are {', '.join(there[:5])}" if there else "there is none"
            raise SearchError(f"no search of run '{run}' goes on at {address}: {has}")
        if len(found) > 1:
            raise SearchError(f"several runs '{run}' are searched at {address}: name one of {', '.join(matching)}")
        yield found[0]


def _goes_on(remote: Remote) -> bool:
    try:
        return remote.call("watch", -1, timeout=ANSWER).ending is None
    except (TimeoutError, SearchError):
        return False
