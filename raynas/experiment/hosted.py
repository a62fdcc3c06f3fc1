"""HostedSearch: the search as an object that a Ray actor hosts."""

from __future__ import annotations

import gc
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raynas.engine import ExecutionEngine, Resources, Workplace
from raynas.engine.travel import extend_path, unpack
from raynas.errors import RaynasError, SearchError, StaleEpochError
from raynas.experiment.assembly import assemble
from raynas.experiment.place import Place
from raynas.experiment.record import Record
from raynas.experiment.start import Start
from raynas.search import Ending, EndKind, Loop, Progress, RunDefinition

if TYPE_CHECKING:
    from raynas.engine.ray_engine.demand import Demand


GARBAGE = 5_000
"""How many new objects are looked through at once for those that nobody needs: seven times as many as usual."""


@dataclass(frozen=True)
class News:
    """What a watcher is told.

    Attributes:
        version: grows with every change.
        progress: where the search stands; None before its first step.
        ending: how it ended; None while it goes on.
        notes: what else people should know, each in a line.
    """

    version: int
    progress: Progress | None = None
    ending: Ending | None = None
    notes: tuple[str, ...] = ()


class HostedSearch:
    """One start of a run. All that it is follows from the arguments, so that it can be started again anywhere.

    Args:
        store: path or URL of the run's database.
        name: the run's.
        artifacts: URI of the folder of its files.
        start: this start, as its store is to keep it.
    """

    def __init__(self, store: str, name: str, artifacts: str, start: str) -> None:
        self._place = Place(name, artifacts.rpartition("/")[0], store)
        self._start = start
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1)
        self._news = News(0)
        self._watchers: list[Future[News]] = []
        self._loop: Loop | None = None
        self._stops: list[bool] = []
        self._wanted: int | None = None
        self._demand: Demand | None = None
        self.engine: ExecutionEngine | None = None

    def run(self) -> None:
        """Search until the end, whatever that is; it never raises."""
        try:
            ending = self._searched()
        finally:
            if self._demand is not None:
                self._demand.withdraw()
        self._tell(self._news.progress, ending)

    def watch(self, seen: int) -> Future[News]:
        """The news, as soon as they are newer than version `seen`."""
        future: Future[News] = Future()
        with self._lock:
            if self._news.version > seen:
                future.set_result(self._news)
            else:
                self._watchers.append(future)
        return future

    def record(self) -> Future[Record]:
        """All that the run's store tells, for those who cannot open it."""
        return self._reader.submit(Record.read, self._place)

    def stop(self, now: bool = False) -> None:
        """Have the search end: when what runs has ended, or at once."""
        with self._lock:
            self._stops.append(now)
            loop = self._loop
        if loop is not None:
            loop.stop(now)

    def _searched(self) -> Ending:
        try:
            place = self._place
            with place.open() as store:
                loop = assemble(store, place.artifacts, self._engine, self._stepped, True, self._prepare, self._start)
                with self._lock:
                    self._loop, earlier = loop, list(self._stops)
                for now in earlier:
                    loop.stop(now)
                # This process lives for the search: what is there by now stays, and most of what comes does not.
                gc.freeze()
                gc.set_threshold(GARBAGE)
                return loop.run()
        except StaleEpochError:
            error: RaynasError = SearchError(
                f"another start of the run '{self._place.name}' has taken over, so this one has ended: watch that one"
            )
            return Ending(EndKind.FAILED, str(error), error)
        except RaynasError as known:
            return Ending(EndKind.FAILED, str(known), known, traceback.format_exc())
        except BaseException as unknown:
            error = SearchError(f"the search failed with {type(unknown).__name__}: {unknown}")
            return Ending(EndKind.FAILED, str(error), error, traceback.format_exc())

    def _engine(self, place: Workplace, resources: Resources) -> ExecutionEngine:
        from raynas.engine.ray_engine import RayEngine
        from raynas.engine.ray_engine.demand import Demand

        start = Start.from_text(self._start)
        if start is not None:
            self._demand = Demand(start.actor, resources, self._wanted, self._note)
        self.engine = RayEngine(place, resources, note=self._note)
        return self.engine

    def _prepare(self, definition: RunDefinition, code: bytes) -> None:
        self._wanted = definition.max_concurrent
        extend_path(definition.path)
        unpack(code)

    def _stepped(self, loop: Loop) -> None:
        progress = loop.progress()
        if self._demand is not None:
            self._demand.look(progress.slots)
        self._tell(progress, None)

    def _note(self, text: str) -> None:
        with self._lock:
            self._news = replace(self._news, notes=(*self._news.notes, text))

    def _tell(self, progress: Progress | None, ending: Ending | None) -> None:
        with self._lock:
            self._news = News(self._news.version + 1, progress, ending, self._news.notes)
            waiting, self._watchers = self._watchers, []
        for future in waiting:
            future.set_result(self._news)
