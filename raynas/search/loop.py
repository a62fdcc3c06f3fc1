"""Loop: does what the state decides. Its thread is the sole owner of state, store and engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from raynas.engine import Calls, ExecutionEngine, Job
from raynas.search.decisions import Ask, Cancel, Commit, Decision, Drop, End, Ending, Expire, Submit, Verdict
from raynas.search.planned import Planned
from raynas.search.planner import Planner
from raynas.search.planning import InlinePlanner, ThreadPlanner
from raynas.search.progress import Progress, progress
from raynas.search.state import SearchState
from raynas.store import Store
from raynas.trial import Event, Trial, TrialState

T = TypeVar("T")

MOMENT = 0.01
"""Seconds for which the loop waits for a proposal, so that those that are made quickly are committed together."""

TEXTS = 256
"""So many candidates' texts are kept until their trials are submitted; those of others are read from the store."""

SPELL = 0.05
"""Seconds after which it stops collecting proposals: trials may have ended. A report ends it at once."""


class Jobs(Protocol):
    """Makes the job of a submitted trial."""

    def __call__(self, submit: Submit, source: str) -> Job: ...


class Loop:
    """One start of a run, from its first step to its end.

    Each wake-up commits what has happened, and only then do workers get their verdicts and the strategy its history.
    The proposals that follow are collected for a moment and committed together, before any of them is given to a
    worker; of these alone the strategy may know before the store does, for it has made them itself.

    Args:
        state: decides.
        planner: makes proposals; in a thread of its own where `threaded`.
        engine: runs jobs; closed at the end.
        store: remembers.
        epoch: the store's leave to write.
        jobs: makes jobs of trials.
        drop: removes a trial's state and, where it has any, its weights.
        watch: is shown every step; None: nobody watches.
        threaded: whether planning may go on beside the loop.
        calls: examines samples elsewhere, where a planner beside the loop is behind; None: there is no elsewhere.
        elapsed: seconds of this start's time that are over already.
        done_before: how many trials had been trained when this start began; None: as many as there are.
    """

    def __init__(
        self,
        state: SearchState,
        planner: Planner,
        engine: ExecutionEngine,
        store: Store,
        epoch: int,
        jobs: Jobs,
        drop: Callable[[int, str | None], None],
        watch: Callable[[Loop], None] | None = None,
        threaded: bool = False,
        elapsed: float = 0.0,
        done_before: int | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.state = state
        self._engine = engine
        self._store = store
        self._epoch = epoch
        self._jobs = jobs
        self._drop = drop
        self._watch = watch
        self._begun = time.monotonic() - elapsed
        self._done_before = state.done if done_before is None else done_before
        self._plans: SimpleQueue[Planned | None] = SimpleQueue()
        self._stops: SimpleQueue[bool] = SimpleQueue()
        self._sources: dict[str, str] = {}
        self._unwritten: dict[int, Trial] = {}
        self._later: list[Decision] = []
        self._listening = False
        self._inside = False
        self._slots = 0
        self._planner: ThreadPlanner | InlinePlanner = (
            ThreadPlanner(planner, self._planned, calls) if threaded else InlinePlanner(planner, self._planned)
        )
        engine.alarm(self._hurry)

    def run(self) -> Ending:
        """Search until the end; `StaleEpochError` where a newer start has taken over."""
        try:
            self._step([])
            while self.state.ending is None:
                self._engine.wait(self._step, self.state.time_left(self.elapsed))
            return self.state.ending
        except KeyboardInterrupt:
            if not self._inside:  # else the state may be ahead of the store, which is what the next start goes by
                self.state.stop(now=True)
                self._step([])
            raise
        finally:
            self._planner.close()
            self._engine.close()

    def stop(self, now: bool = False) -> None:
        """Have the search end: when what runs has ended, or at once; from any thread."""
        self._stops.put(now)
        self._hurry()
        self._engine.wake()

    @property
    def elapsed(self) -> float:
        """Seconds since this start."""
        return time.monotonic() - self._begun

    def progress(self) -> Progress:
        """Where the search stands; for `watch`, on the loop's thread."""
        return progress(self.state, self.elapsed, self._done_before, self._slots)

    def _planned(self, plan: Planned) -> None:
        self._plans.put(plan)
        if not self._listening:
            self._engine.wake()

    def _hurry(self) -> None:
        """Have the loop stop waiting for proposals; from any thread."""
        if self._listening:
            self._plans.put(None)

    def _step(self, events: Sequence[Event]) -> None:
        self._inside = True
        for now in _drained(self._stops):
            if not now:  # what runs may end, also what would have been over before it was told
                events = [*events, *self._engine.begun()]
            self.state.stop(now)
        self._slots = self._engine.slots()
        plans = [plan for plan in _drained(self._plans) if plan is not None]
        until = time.monotonic() + SPELL
        self._take(events, plans)
        while self.state.asking and (found := self._collected(until)):
            if None in found:
                until = 0.0
            self._take((), [plan for plan in found if plan is not None])
        self._listening = False
        if not self._plans.empty():  # it came too late to be collected, and too early to wake the loop
            self._engine.wake()
        self._write()
        if len(self._sources) > TEXTS:
            self._sources.clear()
        self._inside = False
        if self._watch is not None:
            self._watch(self)

    def _take(self, events: Sequence[Event], plans: Sequence[Planned]) -> None:
        """Have the state decide."""
        for plan in plans:
            if plan.source is not None and plan.key is not None:
                self._sources[plan.key.fingerprint] = plan.source
        self._listening = self.state.asking
        now, capacity = time.time(), self._engine.capacity()
        ahead = self._planner.ahead
        for decision in self.state.take(now, self.elapsed, events, plans, self._slots, capacity, ahead):
            match decision:
                case Commit(trials=trials):
                    self._unwritten.update((trial.number, trial) for trial in trials)
                case Ask(number=number, history=history, count=count):
                    if any(trial.attempts for trial in self._unwritten.values()):
                        self._write()
                    self._listening = True
                    self._planner.ask(number, history, count)
                case _:
                    self._later.append(decision)

    def _collected(self, until: float) -> list[Planned | None]:
        """The proposals that come within a moment; None among them where somebody is in a hurry."""
        found: list[Planned | None] = []
        if time.monotonic() < until:
            with suppress(Empty):
                found.append(self._plans.get(timeout=MOMENT))
        return found + _drained(self._plans)

    def _write(self) -> None:
        """Commit what is not in the store yet, and then do what was decided on it."""
        if self._unwritten:
            trials = tuple(self._unwritten.values())
            self._store.commit(self._epoch, trials, self._sources_of(trials))
            self._unwritten.clear()
        for decision in self._later:
            self._act(decision)
        self._later.clear()

    def _act(self, decision: Decision) -> None:
        match decision:
            case Submit(trial=trial):
                self._engine.submit(self._jobs(decision, self._source(trial)))
            case Verdict(trial=number, attempt=attempt, stop=stop):
                self._engine.answer(number, attempt, stop)
            case Cancel(trial=number):
                self._engine.cancel(number)
            case Expire(trial=number):
                self._engine.expire(number)
            case Drop(trial=number, weights=weights):
                self._drop(number, weights)
            case End(ending=ending):
                self._store.finish(self._epoch, f"{ending.kind}: {ending.message}")

    def _sources_of(self, trials: Sequence[Trial]) -> dict[str, str]:
        """The texts of new trials that are trained, or will be if the one they wait for is lost."""
        open_ = (trial.key.fingerprint for trial in trials if trial.state in (TrialState.QUEUED, TrialState.WAITING))
        return {fingerprint: self._sources[fingerprint] for fingerprint in open_ if fingerprint in self._sources}

    def _source(self, trial: Trial) -> str:
        source = self._sources.get(trial.key.fingerprint) or self._store.source(trial.key.fingerprint)
        assert source is not None, f"trial {trial.number} was committed without its source"
        return source


def _drained(queue: SimpleQueue[T]) -> list[T]:
    found: list[T] = []
    while True:
        try:
            found.append(queue.get_nowait())
        except Empty:
            return found
