"""Conduct: run a prepared run's search to its end, in this process or in Ray, and tell somebody how it goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from raynas.engine import ExecutionEngine, Resources, Workplace
from raynas.engine.local_engine import LocalEngine
from raynas.experiment.assembly import MakeEngine, assemble, here
from raynas.experiment.place import Place
from raynas.search import Ending, EndKind, Loop, Progress
from raynas.store import Store

OnProgress = Callable[[Progress], None]

PAUSE = 0.1
"""Seconds between two looks at a search: for people, it goes on meanwhile."""


def conduct_here(place: Place, make_engine: MakeEngine | None, on_progress: OnProgress) -> Ending:
    """Search in the calling process; inline, unless the engine does otherwise."""
    shown = -PAUSE

    def engine(workplace: Workplace, resources: Resources) -> ExecutionEngine:
        return (make_engine or LocalEngine)(here(workplace), resources)

    def watch(loop: Loop) -> None:
        nonlocal shown
        if loop.state.ending is not None or time.monotonic() - shown >= PAUSE:
            shown = time.monotonic()
            on_progress(loop.progress())

    with Store.open(place.store, name=place.name) as store:
        return assemble(store, place.artifacts, engine, watch).run()


def conduct_in_ray(place: Place, resources: Resources, verbose: bool, on_progress: OnProgress) -> Ending:
    """Search in a Ray actor, and watch it. The first Ctrl-C lets what runs end, the second ends at once."""
    if not verbose:  # Ray, which reads this when it is imported, prints on stdout whenever a worker dies
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    from raynas.engine.ray_engine import RaySession

    arguments = {"store": place.store, "name": place.name, "artifacts": place.artifacts}
    with RaySession(verbose) as session:
        session.check(resources)
        remote = session.host("raynas.experiment.hosted:HostedSearch", arguments)
        interrupts = seen = 0
        try:
            while True:
                try:
                    news = remote.call("watch", seen)
                    seen = news.version
                    if news.progress is not None:
                        on_progress(news.progress)
                    if news.ending is not None:
                        break
                    time.sleep(PAUSE)
                except TimeoutError:  # Ray is making the actor again
                    seen = 0
                    time.sleep(PAUSE)
                except KeyboardInterrupt:
                    interrupts += 1
                    if interrupts > 2:
                        raise
                    remote.call("stop", interrupts == 2)
        finally:
            remote.end()
    if interrupts:
        raise KeyboardInterrupt
    ending: Ending = news.ending
    return ending


def raise_failure(ending: Ending) -> None:
    """Raise what a search ended with, its traceback as a note; nothing where it did not fail."""
    if ending.kind is not EndKind.FAILED or ending.error is None:
        return
    error = ending.error
    if ending.detail:
        error.add_note(ending.detail)
    raise error
