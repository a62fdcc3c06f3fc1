"""The loop, with a real store and an engine that the test holds in its hands."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

from raynas import History, Sample, SearchSpace, Strategy
from raynas.engine import Deliver, ExecutionEngine, Job
from raynas.errors import StaleEpochError
from raynas.search import Designs, EndKind, Loop, Planner, Rules, SearchState
from raynas.search.decisions import Submit
from raynas.search_space import Categorical
from raynas.store import Store
from raynas.trial import Event, Finished, Reported, Started, TrialState

SPACE = SearchSpace([Categorical("x", candidates=tuple(range(1000)))])


class Network:
    def __init__(self, number: Any) -> None:
        self.number = number

    def fingerprint(self) -> str:
        return f"f{self.number}"

    def source(self) -> str:
        return f"source {self.number}"


class InOrder(Strategy):
    """0, 1, 2, …, each after a pause."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause
        self.asked: list[History] = []

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
        self.asked.append(history)
        if self.asked:
            time.sleep(self.pause)
        return Sample({"x": len(history)})


class Handmade(ExecutionEngine):
    """Does with each job what a function says, within `wait`; what a test posts is delivered, too."""

    def __init__(self, work: Callable[[Job, Handmade], list[Event]], slots: int = 1) -> None:
        self.work = work
        self.jobs: deque[Job] = deque()
        self.answers: SimpleQueue[tuple[int, int, bool]] = SimpleQueue()
        self.posted: SimpleQueue[list[Event]] = SimpleQueue()
        self.delivered: list[int] = []
        self.closed = False
        self._slots = slots

    def slots(self) -> int:
        return self._slots

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        events: list[Event] = []
        while self.jobs:
            events += self.work(self.jobs.popleft(), self)
        try:
            if not events:
                events = self.posted.get(timeout=5)
            while True:
                events += self.posted.get_nowait()
        except Empty:
            self.delivered.append(len(events))
            deliver(events)

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        self.answers.put((trial, attempt, stop))

    def cancel(self, trial: int) -> None:
        self.jobs = deque(job for job in self.jobs if job.trial != trial)

    def wake(self) -> None:
        self.posted.put([])

    def close(self) -> None:
        self.closed = True


def at_once(job: Job, engine: Handmade) -> list[Event]:
    started = Started(job.trial, 0, job.attempt)
    return [started, Finished(job.trial, 0, job.attempt, {"score": float(job.trial)})]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "search.db", {}, "run")


def make_job(submit: Submit, source: str) -> Job:
    return Job(submit.trial.number, submit.trial.attempts + 1, source, "")


def loop(store: Store, engine: ExecutionEngine, strategy: Strategy | None = None, **changes: Any) -> Loop:
    threaded = changes.pop("threaded", False)
    watch = changes.pop("watch", None)
    rules = Rules({"score": "max"}, **{"max_trials": 5, **changes})
    planner = Planner(strategy or InOrder(), Designs(SPACE, lambda s: Network(s["x"]), lambda s: ""), 0)
    epoch = store.new_epoch("test")
    state = SearchState(rules, store.trials())
    return Loop(state, planner, engine, store, epoch, make_job, lambda number, weights: None, watch, threaded)


@pytest.mark.parametrize("threaded", [False, True])
def test_everything_is_in_the_store_at_the_end(store: Store, threaded: bool) -> None:
    engine = Handmade(at_once)
    ending = loop(store, engine, threaded=threaded).run()
    assert ending.kind is EndKind.ENOUGH and engine.closed
    assert [t.metrics["score"] for t in store.trials()] == [0, 1, 2, 3, 4]
    assert [store.source(t.key.fingerprint) for t in store.trials()] == [f"source {n}" for n in range(5)]
    assert store.ended() == "enough: all of its 5 trials have ended"


def test_the_strategy_sees_only_what_is_stored(store: Store) -> None:
    class Looking(InOrder):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
            assert store.trials() == list(history.trials)
            return super().ask(space, history, rng)

    strategy = Looking()
    loop(store, Handmade(at_once), strategy).run()
    assert [len(history) for history in strategy.asked] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threaded", [False, True])
def test_what_has_ended_is_stored_before_the_strategy_sees_it_with_many_workers_too(
    store: Store, threaded: bool
) -> None:
    seen: list[int] = []

    class Looking(InOrder):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
            known = {trial.number: trial for trial in store.trials()}
            assert all(known[trial.number] == trial for trial in history.ended)
            assert all(trial.number in known or trial.state is TrialState.QUEUED for trial in history.open)
            assert len(history) == len(seen), "each proposal is seen by the next"
            seen.append(len(history.ended))
            return super().ask(space, history, rng)

    loop(store, Handmade(at_once, slots=8), Looking(), threaded=threaded, max_trials=40).run()
    assert len(seen) == 40 and seen == sorted(seen)


def test_a_report_does_not_wait_for_proposals(store: Store) -> None:
    class Ringing(Handmade):
        def alarm(self, ring: Callable[[], None]) -> None:
            self.ring = ring

    def work(job: Job, engine: Handmade) -> list[Event]:
        engine.ring()  # type: ignore[attr-defined]  # a Ringing one
        return at_once(job, engine)

    ending = loop(store, Ringing(work, slots=4), InOrder(pause=0.001), threaded=True, max_trials=100).run()
    assert ending.kind is EndKind.ENOUGH and len(store.trials()) == 100, "no proposal was lost"


def test_a_worker_hears_its_verdict_after_its_report_is_stored(store: Store) -> None:
    seen: list[int] = []

    class Checking(Handmade):
        def answer(self, trial: int, attempt: int, stop: bool) -> None:
            seen.append(len(store.trial(trial).reports))
            at = store.trial(trial).reports[-1].step
            end = Finished(trial, 0, attempt, {"score": 0.0})
            self.posted.put([end if at == 2 else Reported(trial, 0, attempt, at + 1, {"score": 0.0})])

    def work(job: Job, engine: Handmade) -> list[Event]:
        return [Started(job.trial, 0, job.attempt), Reported(job.trial, 0, job.attempt, 0, {"score": 0.0})]

    loop(store, Checking(work), max_trials=2).run()
    assert seen == [1, 2, 3] * 2


def test_a_slow_strategy_delays_no_verdict(store: Store) -> None:
    """While it thinks of the second trial, the first one reports twenty times, and is answered each time."""
    answered, in_time = threading.Event(), list[bool]()

    class Reporting(Handmade):
        reports = 0

        def answer(self, trial: int, attempt: int, stop: bool) -> None:
            self.reports += 1
            if self.reports < 20:
                self.posted.put([Reported(trial, 0, attempt, self.reports, {"score": 0.0})])
            else:
                answered.set()
                self.posted.put([Finished(trial, 0, attempt, {"score": 0.0})])

    class Slow(InOrder):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
            if len(history):
                in_time.append(answered.wait(60))
            return super().ask(space, history, rng)

    def work(job: Job, engine: Handmade) -> list[Event]:
        return [Started(job.trial, 0, 1), Reported(job.trial, 0, 1, 0, {"score": 0.0})]

    loop(store, Reporting(work, slots=2), Slow(), threaded=True, max_trials=2).run()
    assert in_time == [True]


def test_everything_that_has_happened_is_committed_at_once(store: Store) -> None:
    commits: list[int] = []

    class Counting(Store):
        def commit(self, epoch: int, trials: Any = (), sources: Any = MappingProxyType({})) -> None:
            commits.append(len(list(trials)))
            super().commit(epoch, trials, sources)

    counting = Counting.open(store.label)
    engine = Handmade(at_once, slots=8)
    loop(counting, engine, max_trials=8).run()
    assert sum(engine.delivered) == 16 and max(commits) > 1


def test_a_newer_start_ends_an_older_one_which_then_writes_nothing(store: Store) -> None:
    def work(job: Job, engine: Handmade) -> list[Event]:
        if job.trial == 2:
            store.new_epoch("another")
        return at_once(job, engine)

    engine = Handmade(work)
    with pytest.raises(StaleEpochError):
        loop(store, engine).run()
    assert engine.closed
    assert [t.state for t in store.trials()] == [TrialState.FINISHED] * 2 + [TrialState.QUEUED]
    ending = loop(store, Handmade(at_once)).run()
    assert ending.kind is EndKind.ENOUGH and [t.metrics["score"] for t in store.trials()] == [0, 1, 2, 3, 4]


def test_stop_from_another_thread_ends_it(store: Store) -> None:
    def work(job: Job, engine: Handmade) -> list[Event]:
        return [Started(job.trial, 0, job.attempt)]

    engine = Handmade(work)
    searching = loop(store, engine, threaded=True)

    def stop() -> None:
        while not store.count_by_state()[TrialState.RUNNING]:
            time.sleep(0.01)
        searching.stop()
        time.sleep(0.05)
        engine.posted.put([Finished(0, 0, 1, {"score": 1.0})])

    stopper = threading.Thread(target=stop)
    stopper.start()
    ending = searching.run()
    stopper.join()
    assert ending.kind is EndKind.INTERRUPTED
    assert [t.state for t in store.trials()] == [TrialState.FINISHED]


def test_watchers_see_every_step(store: Store) -> None:
    seen: list[tuple[int, int, int | None]] = []

    def watch(searching: Loop) -> None:
        now = searching.progress()
        seen.append((now.done, now.running, now.total))

    loop(store, Handmade(at_once), watch=watch).run()
    assert seen[0] == (0, 0, 5) and seen[-1] == (5, 0, 5)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def test_what_shares_a_task_counts_as_running_before_its_start_is_told(store: Store) -> None:
    seen: list[int] = []
    loop(store, Handmade(at_once), watch=lambda searching: seen.append(searching.progress().running)).run()
    assert seen[0] == 0 and 1 in seen and seen[-1] == 0


def test_what_was_cut_off_is_begun_again_with_its_text(store: Store) -> None:
    class Cut(Exception):
        pass

    def cut(job: Job, engine: Handmade) -> list[Event]:
        if job.trial == 3:
            raise Cut
        return at_once(job, engine)

    with pytest.raises(Cut):
        loop(store, Handmade(cut)).run()
    sources: list[tuple[int, str]] = []

    def work(job: Job, engine: Handmade) -> list[Event]:
        sources.append((job.trial, job.source))
        return at_once(job, engine)

    loop(store, Handmade(work)).run()
    assert sources == [(3, "source 3"), (4, "source 4")]
