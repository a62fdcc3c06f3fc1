"""Following: watch a search that lives in a Ray actor until it ends."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from raynas.engine import Resources
from raynas.errors import Notice, ResourceError, SearchError
from raynas.experiment.signals import Terminated, sigterms
from raynas.experiment.start import Start
from raynas.search import Ending, Progress

if TYPE_CHECKING:
    from raynas.engine.ray_engine import RaySession

OnProgress = Callable[[Progress], None]

PAUSE = 0.1
"""Seconds between two looks at a search: for people, it goes on meanwhile."""

PATIENCE = 120.0
"""Seconds without an answer, such as while Ray makes the actor again, after which none will come any more."""

GRACE = 2.0
"""Seconds in which a search must have ended after SIGTERM: `ray job stop` kills after three."""


class Remote(Protocol):
    """A hosted search, from afar."""

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any: ...


def session(verbose: bool, address: str | None = None, token: bool = False, modules: Sequence[str] = ()) -> RaySession:
    """A connection to Ray, which this imports; the arguments are those of `RaySession`."""
    _quieten(verbose)
    from raynas.engine.ray_engine import RaySession

    return RaySession(verbose, address, token, modules)


def check_room(resources: Resources, verbose: bool) -> None:
    """Raise `ResourceError` where a search would start Ray on this machine, and that could run no trial."""
    _quieten(verbose)
    from raynas.engine.ray_engine import check_machine

    check_machine(resources)


def _quieten(verbose: bool) -> None:
    """Before Ray is imported: it reads then whether to print on stdout whenever a worker dies."""
    if not verbose:
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")


@contextmanager
def reached(start: Start, verbose: bool = False) -> Iterator[Remote | None]:
    """The search of a start; None where it does not go on any more, or has not begun yet."""
    with ExitStack() as stack:
        remote = None
        if start.address and start.may_live:
            with suppress(ResourceError):
                remote = stack.enter_context(session(verbose, start.address, start.token)).find(start.actor)
        yield remote


def follow(
    remote: Remote,
    on_progress: OnProgress,
    mine: bool,
    patience: float = PATIENCE,
    lives: Callable[[], bool] = lambda: True,
) -> Ending:
    """Watch a search until it ends.

    Args:
        remote: the search.
        on_progress: is shown where it stands.
        mine: whether Ctrl-C and SIGTERM are meant for the search: the first Ctrl-C lets what runs end, the second, and
            SIGTERM, end it at once. Where it is another's, they end the watching only.
        patience: seconds without an answer after which it is gone.
        lives: whether it can still be there; asked while it does not answer.

    Raises:
        SearchError: it is gone.
        KeyboardInterrupt: Ctrl-C, where the search is another's, or a third one.
        Terminated: SIGTERM.
    """
    interrupts = seen = told = 0
    answered, heard = time.monotonic(), sigterms()
    while True:
        try:
            news = remote.call("watch", seen)
            seen, answered = news.version, time.monotonic()
            for note in news.notes[told:]:
                warnings.warn(note, Notice, stacklevel=2)
            told = len(news.notes)
            if news.progress is not None:
                on_progress(news.progress)
            if news.ending is not None:
                ending: Ending = news.ending
                return ending
            time.sleep(PAUSE)
        except TimeoutError:  # Ray is making the actor again, or has gone itself
            if time.monotonic() - answered > patience or not lives():
                raise SearchError(
                    "the search does not answer any more: start the same command again to go on"
                ) from None
            seen = told = 0
            time.sleep(PAUSE)
        except KeyboardInterrupt:
            if sigterms() > heard:
                if mine:
                    _stop_now(remote)
                raise Terminated from None
            interrupts += 1
            if not mine or interrupts > 2:
                raise
            remote.call("stop", interrupts == 2)


def _stop_now(remote: Remote) -> None:
    """Have the search write down its end, if it can do so in time."""
    until = time.monotonic() + GRACE
    with suppress(TimeoutError, SearchError):
        remote.call("stop", True, timeout=GRACE)
        seen, ended = 0, False
        while not ended:
            news = remote.call("watch", seen, timeout=max(0.01, until - time.monotonic()))
            seen, ended = news.version, news.ending is not None
