from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray_jobs
from hosted_engine import Shadow

from raynas.engine import ExecutionEngine, Job, Resources, Workplace
from raynas.engine.ray_engine import journal
from raynas.engine.travel import pack
from raynas.errors import ConfigError, ResourceError, SearchError
from raynas.testing.engine_contract import EngineContract, job, measure
from raynas.trial import Cause, Event, Failed, Finished, Reported, Started

pytestmark = pytest.mark.ray

Host = Any
ONE_CPU = Resources()


@pytest.fixture(scope="module")
def host(ray_session: None) -> Iterator[Host]:
    """One actor for all engines of this file: the start of one takes seconds."""
    from raynas.engine.ray_engine import RaySession

    with RaySession() as session:
        made = session.host("hosted_engine:HostedEngine", {})
        yield made
        made.end()


@contextmanager
def opened(host: Host, place: Workplace, resources: Resources = ONE_CPU, each: int = 1000) -> Iterator[Shadow]:
    host.call("open", replace(place, trust=("ray_jobs",)), resources, each)
    engine = Shadow(host)
    yield engine
    engine.close()


class TestRayEngine(EngineContract):
    @pytest.fixture(autouse=True)
    def _host(self, host: Host) -> None:
        self.host = host

    @contextmanager
    def engine(self, place: Workplace) -> Iterator[ExecutionEngine]:
        with opened(self.host, place) as engine:
            yield engine

    @pytest.mark.parametrize("death", [ray_jobs.die, ray_jobs.killed])
    def test_a_dead_worker_is_a_failure_of_its_trial_only(self, death: Any, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(death, 0), job(measure, 1)])
        failed = events[0][-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert isinstance(events[1][-1], Finished)

    @pytest.mark.parametrize("how", ["process", "pool"])
    def test_a_dead_worker_is_noticed_though_its_children_live(self, how: str, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(ray_jobs.fork_and_die, 0, how=how), job(measure, 1)])
        failed = events[0][-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert isinstance(events[1][-1], Finished)

    @pytest.mark.parametrize("how", ["exit", "segfault"])
    def test_what_a_dead_worker_had_said_is_kept(self, how: str, tmp_path: Path) -> None:
        with self.engine(Workplace(str(tmp_path))) as engine:
            events = self.collect(engine, [job(measure, 0), job(ray_jobs.talk_and_die, 1, how=how), job(measure, 2)])
        failed = events[1][-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        _, _, said = failed.detail.partition("Its last output:\n")
        assert "out 199 of trial 1\nwritten past Python\n" in said and "a word of warning" in said
        assert "out 99 of" not in said and len(said.splitlines()) <= 100 and ":task_name:" not in said
        assert ("Segmentation fault" in said and "in talk_and_die" in said) == (how == "segfault")

    def test_what_a_trial_leaves_in_memory_goes_with_its_worker(self, tmp_path: Path) -> None:
        jobs = [job(ray_jobs.leak, trial, megabytes=900 if trial == 2 else 1) for trial in range(6)]
        with opened(self.host, Workplace(str(tmp_path)), Resources(num_cpus=2)) as engine:
            events = self.collect(engine, jobs)
        ends = [events[trial][-1] for trial in range(6)]
        found = [end.metrics for end in ends if isinstance(end, Finished)]
        assert len(found) == 6, ends
        assert found[2]["pid"] not in {each["pid"] for each in found[3:]}
        assert max(each["before"] for each in found[3:]) < found[0]["before"] + 300
        assert len({each["pid"] for each in found}) == 2, "a little is no reason"

    def test_workers_stay_warm_and_have_the_threads_they_are_given(self, tmp_path: Path) -> None:
        with opened(self.host, Workplace(str(tmp_path), threads=1), Resources(num_cpus=2)) as engine:
            assert (engine.slots(), engine.capacity()) == (1, 1)
            events = self.collect(engine, [job(ray_jobs.who, trial) for trial in range(4)])
        metrics = [happened[-1].metrics for happened in events.values()]  # type: ignore[attr-defined]  # they finished
        assert len({each["pid"] for each in metrics}) == 1
        assert {each["threads"] for each in metrics} == {1}

    def test_a_worker_makes_room_for_a_new_one_after_so_many_trials(self, tmp_path: Path) -> None:
        with opened(self.host, Workplace(str(tmp_path)), Resources(num_cpus=2), each=2) as engine:
            events = self.collect(engine, [job(ray_jobs.who, trial) for trial in range(4)])
        ends = [happened[-1] for happened in events.values()]
        processes = [end.metrics["pid"] for end in ends if isinstance(end, Finished)]
        assert len(processes) == 4, ends
        assert max(map(processes.count, processes)) <= 2

    def test_a_worker_that_waits_for_a_verdict_keeps_its_place(self, tmp_path: Path) -> None:
        order: list[Event] = []

        def hear(event: Event) -> None:
            order.append(event)
            if isinstance(event, Reported):
                time.sleep(0.5)  # long enough for another worker to begin the next job, if it were let

        with opened(self.host, Workplace(str(tmp_path)), Resources(num_cpus=2)) as engine:
            events = collect(engine, [job(ray_jobs.report_from, trial) for trial in range(4)], hear=hear)
        ends = [happened[-1] for happened in events.values()]
        assert len({end.metrics["pid"] for end in ends if isinstance(end, Finished)}) == 1
        assert [type(event) for event in order] == [Started, Reported, Finished] * 4

    def test_jobs_run_side_by_side_where_there_is_room(self, tmp_path: Path) -> None:
        (tmp_path / "met").mkdir()
        jobs = [job(ray_jobs.meet, trial, folder=str(tmp_path / "met"), others=2) for trial in range(2)]
        with self.engine(Workplace(str(tmp_path))) as engine:
            assert (engine.slots(), engine.capacity()) == (2, 4)
            events = self.collect(engine, jobs)
        assert all(isinstance(happened[-1], Finished) for happened in events.values())

    def test_half_a_cpu_makes_room_for_twice_as_many(self, tmp_path: Path) -> None:
        with opened(self.host, Workplace(str(tmp_path)), Resources(num_cpus=0.5)) as engine:
            assert engine.slots() == 4
        with opened(self.host, Workplace(str(tmp_path)), Resources(num_cpus=3)) as engine:
            assert engine.slots() == 0

    def test_code_from_main_arrives(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        main = sys.modules["__main__"]
        exec("def helper():\n    return 0.125\n\ndef travelled():\n    return helper()", main.__dict__)
        try:
            code = pack(["__main__.travelled", "torch.nn.Linear"])
        finally:
            del main.travelled, main.helper  # type: ignore[attr-defined]  # made above
        with self.engine(Workplace(str(tmp_path), code=code)) as engine:
            finished = self.collect(engine, [job(ray_jobs.from_main)])[0][-1]
        assert isinstance(finished, Finished), finished
        assert finished.metrics == {"score": 0.125}

    def test_a_trial_without_a_gpu_is_told_to_use_the_cpu(self, tmp_path: Path) -> None:
        assert self.outcome(job(ray_jobs.where), tmp_path).metrics == {"cpu": 1.0}

    def test_a_job_that_cannot_be_read_is_a_failure(self, tmp_path: Path) -> None:
        item = job(measure)
        failed = self.outcome(replace(item, evaluator=item.evaluator.replace("measure", "gone")), tmp_path)
        assert isinstance(failed, Failed) and failed.cause is Cause.EXCEPTION and "gone" in failed.message


class TestBatches:
    """Short jobs that share a task."""

    @pytest.fixture
    def engine(self, host: Host, tmp_path: Path) -> Iterator[Shadow]:
        with opened(host, Workplace(str(tmp_path)), Resources(num_cpus=2)) as engine:
            engine.slots()
            collect(
                engine, [job(measure, 1000 + trial) for trial in range(16)]
            )  # from now on it knows how short they are
            yield engine

    def test_they_are_done_once_each_and_told_as_single_ones_are(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.note, trial, log=str(log), talking=5) for trial in range(20)])
        assert lines(log) == list(range(20)), "one worker does them in their order"
        for trial, happened in events.items():
            kinds = [type(event).__name__ for event in happened]
            assert kinds == ["Started", *(["Reported"] * 3 if trial == 5 else []), "Finished"], f"trial {trial}"
        assert engine.capacity() == 1, "with one worker one is in flight"

    def test_a_dead_worker_costs_only_the_job_that_it_was_in(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.note, trial, log=str(log), deadly=7) for trial in range(20)])
        failed = events.pop(7)[-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())
        assert sorted(lines(log)) == list(range(20)), "each was begun once"

    @pytest.mark.parametrize("how", ["hanging", "frozen"])
    def test_one_that_is_cancelled_takes_no_other_with_it(self, engine: Shadow, tmp_path: Path, how: str) -> None:
        log = tmp_path / "log"
        jobs = [job(ray_jobs.note, trial, log=str(log), **{how: 7}) for trial in range(20)]
        ended: set[int] = set()

        def cancel(event: Event) -> None:
            ended.update([event.trial] if isinstance(event, Finished) else [])
            if event.trial == 7 and isinstance(event, Started):
                assert ended == set(range(7)), "what is timed is what runs"
                engine.cancel(7)
                engine.cancel(15)

        events = collect(engine, jobs, leave=(7, 15), hear=cancel)
        assert [type(event) for event in events.pop(7)] == [Started] and events.pop(15) == []
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())
        done = lines(log)
        # Where 15 was in a second task, that has gone on, and nobody was told of it.
        assert {*done, 7, 15} == set(range(20)) and len(done) == len(set(done))

    def test_one_that_dies_before_anybody_was_told_of_it_has_last_words(self, engine: Shadow) -> None:
        events = collect(engine, [job(ray_jobs.talk_and_die, 0), job(measure, 1)])
        failed = events[0][-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert "out 199 of trial 0\nwritten past Python\n" in failed.detail and "a word of warning" in failed.detail
        assert isinstance(events[1][-1], Finished)

    @pytest.mark.parametrize("how", ["hanging", "frozen"])
    def test_one_that_was_to_be_quick_and_hangs_is_told_to_have_begun(
        self, engine: Shadow, tmp_path: Path, how: str
    ) -> None:
        def cancel(event: Event) -> None:
            if isinstance(event, Started) and event.trial == 7:
                engine.cancel(7)

        for trials in ([7], [7, 8]):
            jobs = [job(ray_jobs.note, trial, log=str(tmp_path / "log"), **{how: 7}) for trial in trials]
            events = collect(engine, [*jobs, job(measure, 9)], leave=(7,), hear=cancel)
            limit = time.monotonic() + 120
            while not events[7]:
                assert time.monotonic() < limit
                engine.wait(lambda news, events=events: [events[e.trial].append(e) for e in news], 5.0)  # type: ignore[misc]
            assert [type(event) for event in events[7]] == [Started]

    @pytest.mark.parametrize("jobs", [1, 12])
    @pytest.mark.parametrize("later", [0.2, 2.0])
    def test_one_that_takes_too_long_after_a_report_has_last_words(
        self, engine: Shadow, tmp_path: Path, jobs: int, later: float
    ) -> None:
        """The report comes before anybody knows who does the task."""

        def expire(event: Event) -> None:
            if isinstance(event, Reported):
                threading.Timer(later, engine.expire, [event.trial]).start()

        log, last = tmp_path / "log", jobs // 2
        items = [job(ray_jobs.tell_and_hang, trial, log=str(log), hanging=last) for trial in range(jobs)]
        events = collect(engine, items, hear=expire)
        failed = events[last][-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.TIMEOUT
        assert "words before it hangs" in failed.detail and "in tell_and_hang" in failed.detail
        assert sorted(lines(log)) == list(range(jobs)), "each was begun once"

    def test_a_job_that_ends_its_task_takes_no_other_with_it(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.leave, trial, log=str(log), leaving=7) for trial in range(12)])
        assert isinstance(events[7][-1], Failed) and sorted(lines(log)) == list(range(12))

    def test_a_journal_that_cannot_be_read_ends_no_search(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.spoil, trial, log=str(log), deadly=7) for trial in range(12)])
        failed = events.pop(7)[-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert all(isinstance(happened[-1], Finished) for happened in events.values())

    def test_without_its_journal_a_dead_worker_is_still_the_fault_of_one(self, engine: Shadow, tmp_path: Path) -> None:
        folder = Path(journal.place("none")).parent
        kept = folder.rename(folder.with_name("kept")) if folder.exists() else None
        folder.touch()  # no journal can be written
        try:
            log = tmp_path / "log"
            events = collect(engine, [job(ray_jobs.note, trial, log=str(log), deadly=7) for trial in range(20)])
        finally:
            folder.unlink()
            if kept is not None:
                kept.rename(folder)
        failed = events.pop(7)[-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())

    def test_no_journal_is_left(self, engine: Shadow, tmp_path: Path) -> None:
        folder = Path(journal.place("none")).parent
        before = set(folder.iterdir())  # of tasks that other engines were doing when they were closed
        for deadly in (-1, 7):
            log = tmp_path / f"{deadly}"
            collect(engine, [job(ray_jobs.note, trial, log=str(log), deadly=deadly) for trial in range(20)])
        limit = time.monotonic() + 30
        while set(folder.iterdir()) - before:
            assert time.monotonic() < limit
            time.sleep(0.01)


class TestRelays:
    """Short jobs of which a worker is given more before it has done what it has."""

    @pytest.fixture
    def engine(self, host: Host, tmp_path: Path) -> Iterator[Shadow]:
        with opened(host, Workplace(str(tmp_path))) as engine:
            yield self.paced(engine, tmp_path)

    def paced(self, engine: Shadow, folder: Path) -> Shadow:
        engine.slots()
        first = [job(ray_jobs.relayed, 1000 + trial, log=str(folder / "first")) for trial in range(16)]
        collect(engine, first)  # from now on it knows how long they take
        return engine

    @pytest.mark.parametrize("function", [ray_jobs.relayed, ray_jobs.note])
    def test_they_are_done_once_each_and_some_in_the_task_of_others(
        self, engine: Shadow, tmp_path: Path, function: Any
    ) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(function, trial, log=str(log)) for trial in range(60)])
        assert sorted(lines(log)) == list(range(60))
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())
        if function is ray_jobs.relayed:
            tasks = [line.split()[2] for line in log.read_text().splitlines()]
            assert max(map(tasks.count, tasks)) >= 4, "more than any task was sent with"

    def test_a_dead_worker_costs_only_the_job_that_it_was_in(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.relayed, trial, log=str(log), deadly=17) for trial in range(40)])
        failed = events.pop(17)[-1]
        assert isinstance(failed, Failed) and failed.cause is Cause.WORKER_DIED
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())
        assert sorted(lines(log)) == list(range(40)), "each was begun once"

    def test_a_failure_is_its_own(self, engine: Shadow, tmp_path: Path) -> None:
        log = tmp_path / "log"
        events = collect(engine, [job(ray_jobs.relayed, trial, log=str(log), raising=17) for trial in range(40)])
        failed = events.pop(17)[-1]
        assert isinstance(failed, Failed) and "an honest failure" in failed.message
        assert all(isinstance(happened[-1], Finished) for happened in events.values())
        assert sorted(lines(log)) == list(range(40))

    @pytest.mark.parametrize("how", ["cancel", "expire"])
    def test_one_that_hangs_is_told_to_have_begun_and_takes_no_other_with_it(
        self, engine: Shadow, tmp_path: Path, how: str
    ) -> None:
        def end(event: Event) -> None:
            if isinstance(event, Started) and event.trial == 17:
                getattr(engine, how)(17)

        log = tmp_path / "log"
        items = [job(ray_jobs.relayed, trial, log=str(log), hanging=17) for trial in range(40)]
        events = collect(engine, items, leave=(17,), hear=end)
        limit = time.monotonic() + 120
        while [type(event) for event in events[17]] != [Started, *([Failed] if how == "expire" else [])]:
            assert time.monotonic() < limit, events[17]
            engine.wait(lambda news: [events[e.trial].append(e) for e in news], 5.0)  # type: ignore[func-returns-value]
        events.pop(17)
        assert all([type(event) for event in happened] == [Started, Finished] for happened in events.values())
        assert sorted(lines(log)) == list(range(40)), "each was begun once"


def lines(log: Path) -> list[int]:
    return [int(line.split()[0]) for line in log.read_text().splitlines()]


def collect(
    engine: ExecutionEngine,
    jobs: Sequence[Job],
    leave: Collection[int] = (),
    hear: Callable[[Event], None] = lambda event: None,
) -> dict[int, list[Event]]:
    """Each job's events, until all but those to leave have ended."""
    events: dict[int, list[Event]] = {item.trial: [] for item in jobs}
    open_ = set(events).difference(leave)

    def deliver(news: Sequence[Event]) -> None:
        for event in news:
            events[event.trial].append(event)
            hear(event)
            if isinstance(event, Reported):
                engine.answer(event.trial, event.attempt, False)
            elif isinstance(event, Finished | Failed):
                open_.discard(event.trial)

    for item in jobs:
        engine.submit(item)
    limit = time.monotonic() + 120
    while open_:
        assert time.monotonic() < limit, f"{sorted(open_)} have not ended"
        engine.wait(deliver, 5.0)
    return events


def test_resources_that_nothing_can_give_are_an_error_that_says_what_there_is(ray_session: None) -> None:
    from raynas.engine.ray_engine import RaySession

    with RaySession() as session:
        session.check(Resources(num_cpus=2))
        with pytest.raises(ResourceError, match=r"needs num_cpus=64, and no node has that \(there is: num_cpus=2"):
            session.check(Resources(num_cpus=64))
        with pytest.raises(ResourceError, match=r"needs num_cpus=1, tpu=1, .*there is: num_cpus=2, .*tpu=0"):
            session.check(Resources(custom={"tpu": 1}))


def test_an_actor_that_cannot_be_made_says_why_and_is_not_made_again(ray_session: None) -> None:
    from raynas.engine.ray_engine import RaySession

    with RaySession() as session:
        host = session.host("no_such_module:Nothing", {})
        with pytest.raises(
            SearchError, match=r"actor is gone \(ModuleNotFoundError: No module named 'no_such_module'\)"
        ):
            host.call("anything")


def test_an_address_where_nobody_is_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from raynas.engine.ray_engine import RaySession

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(ResourceError, match=rf"Ray at 127\.0\.0\.1:{port} could not be reached: Connection refused"):
        RaySession().__enter__()


def test_rays_client_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from raynas.engine.ray_engine import RaySession

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ConfigError, match="--submit ADDRESS"):
        RaySession().__enter__()
