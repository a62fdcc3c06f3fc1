"""What the engine decides of its jobs, against workers that do anything at all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from ray import exceptions

from raynas.engine import Job
from raynas.engine.ray_engine.aftermath import Aftermath
from raynas.engine.ray_engine.batch import Batch
from raynas.engine.ray_engine.pace import SAMPLE, Pace
from raynas.engine.ray_engine.roster import Roster
from raynas.trial import Cause, Event, Failed, Finished, Reported, Started


@dataclass(eq=False)
class Task:
    """What a worker does of a task.

    Attributes:
        batch: what it was sent as.
        todo: its jobs that have not begun.
        now: the job that it is doing; None: none.
        journal: what it has written down.
        killed: whether it is to be ended by force, which takes a while.
        notice: with so many jobs left it asks for more.
        more: what it is given then; None: it has not asked.
        told: how many lines of the journal the engine knows of.
    """

    batch: Batch
    todo: list[Job]
    now: Job | None = None
    journal: list[Event] = field(default_factory=list)
    killed: bool = False
    notice: int = 0
    more: Future[Sequence[Job]] | None = None
    told: int = 0


class Cluster(RuleBasedStateMachine):
    """Tasks are done in the order in which they were sent, as many at a time as there are slots."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[Task] = []
        self.roster = Roster(Pace(), self.sent, self.ended_by_force)
        self.roster.slots = 2
        self.jobs: dict[int, Job] = {}
        self.killers: set[int] = set()
        self.cancelled: set[int] = set()
        self.expired: set[int] = set()
        self.lost: set[int] = set()
        self.starts: list[int] = []
        self.ends: dict[int, Event] = {}
        self.seconds = 0.001
        self.given = 0
        self.verdicts: list[Future[bool]] = []

    def sent(self, batch: Batch) -> None:
        self.tasks.append(Task(batch, [held.job for held in batch.left.values()], notice=batch.notice))

    def ended_by_force(self, batch: Batch) -> None:
        next(task for task in self.tasks if task.batch is batch).killed = True

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            trial = event.trial
            assert trial not in self.cancelled, "nobody wants to hear of it"
            assert trial not in self.ends, "it has ended"
            if isinstance(event, Started):
                assert trial not in self.starts, "it has begun"
                self.starts.append(trial)
            else:
                assert trial in self.starts, "it has not begun"
                if not isinstance(event, Reported):
                    self.ends[trial] = event

    def running(self) -> list[Task]:
        return self.tasks[: self.roster.slots]

    def some(self, data: st.DataObject) -> Task:
        return self.running()[data.draw(st.integers(0, len(self.running()) - 1))]

    def over(self, task: Task, after: Aftermath) -> None:
        self.tasks.remove(task)
        self.take(self.roster.ended(task.batch, after)[0])

    def step(self, task: Task) -> None:
        if task.now is not None:
            task.journal.append(Finished(task.now.trial, 0.0, 1, {}, self.seconds))
            task.now = None
            if task.more is not None and task.more.done():
                self.given += len(task.more.result())
                task.todo += task.more.result()
                task.notice = task.notice if task.more.result() else 0
                task.more = None
        elif task.todo:
            if task.more is None and len(task.todo) <= task.notice:
                task.more = Future()
                ends = [event for event in task.journal[task.told :] if isinstance(event, Finished)]
                task.told = len(task.journal)
                self.take(self.roster.asked(task.batch.name, "n" * 40 + ":1", ends, task.more)[0])
            task.now = task.todo.pop(0)
            task.journal.append(Started(task.now.trial, 0.0, 1, "n" * 40 + ":1"))
            if not task.batch.quick and len(task.journal) == 1:
                self.take(self.roster.heard(task.batch.name, task.journal, False)[0])
            if task.now.trial in self.killers:
                self.crash(task)
        else:
            self.over(task, Aftermath(events=task.journal))

    def crash(self, task: Task) -> None:
        doing, before = task.now, set(self.ends)
        dying = task.batch.dying
        self.over(task, Aftermath(exceptions.WorkerCrashedError(), task.journal))
        blamed = [trial for trial in set(self.ends) - before if isinstance(self.ends[trial], Failed)]
        if doing is not None and not dying and doing.trial not in self.cancelled | before:
            assert blamed == [doing.trial]

    @rule(number=st.integers(1, 12))
    def submit(self, number: int) -> None:
        for _ in range(number):
            job = self.jobs[len(self.jobs)] = Job(len(self.jobs), 1, "", "")
            self.roster.add(job)
        self.roster.fill()

    @rule()
    def submit_a_killer(self) -> None:
        self.killers.add(len(self.jobs))
        self.submit(1)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), number=st.integers(1, 30))
    def work(self, data: st.DataObject, number: int) -> None:
        task = self.some(data)
        for _ in range(number):
            if task in self.tasks:
                self.step(task)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def a_worker_dies(self, data: st.DataObject) -> None:
        self.crash(self.some(data))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def a_node_dies(self, data: st.DataObject) -> None:
        task = self.some(data)
        if task.batch.worker:
            assert task.batch in self.roster.lose({"n" * 56})
        self.lost |= set(task.batch.left)
        self.over(task, Aftermath(exceptions.NodeDiedError("gone"), None))

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def a_journal_is_read(self, data: st.DataObject) -> None:
        task = self.some(data)
        self.take(self.roster.seen(task.batch, list(task.journal))[0])

    @rule()
    def silence(self) -> None:
        for batch in self.roster.batches.values():
            batch.due = 0.0
        silent, _ = self.roster.silent()
        assert {batch.name for some in silent.values() for batch in some} == set(self.roster.batches)
        for some in silent.values():
            for batch in some:
                task = next(task for task in self.tasks if task.batch is batch)
                self.take(self.roster.seen(batch, list(task.journal))[0])

    @precondition(lambda self: any(task.now for task in self.running()))
    @rule(data=st.data())
    def a_job_reports(self, data: st.DataObject) -> None:
        task = self.some(data)
        if task.now is not None:
            verdict: Future[bool] = Future()
            self.take(self.roster.reported(Reported(task.now.trial, 0.0, 1, 1, {}), verdict)[0])
            self.verdicts.append(verdict)
            self.roster.answer(task.now.trial, 1, False)

    @precondition(lambda self: any(task.killed for task in self.tasks))
    @rule()
    def what_is_to_be_ended_has_ended(self) -> None:
        task = next(task for task in self.tasks if task.killed)
        self.over(task, Aftermath(exceptions.TaskCancelledError(), task.journal))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        trial = data.draw(st.sampled_from(sorted(self.jobs)))
        self.roster.cancel(trial)
        if trial not in self.ends:
            self.cancelled.add(trial)

    @precondition(lambda self: set(self.starts) - set(self.ends) - self.cancelled)
    @rule(data=st.data())
    def one_takes_too_long(self, data: st.DataObject) -> None:
        trial = data.draw(st.sampled_from(sorted(set(self.starts) - set(self.ends) - self.cancelled)))
        batch = self.roster.expire(trial)
        if batch is not None:
            self.expired.add(trial)
            self.ended_by_force(batch)
        elif not any(trial in each.left for each in self.roster.batches.values()):
            self.cancelled.add(trial)

    @rule()
    def a_stop_asks_what_has_begun(self) -> None:
        self.take(self.roster.begun())

    @rule(seconds=st.sampled_from([0.001, 0.03, 0.06, 10.0]))
    def jobs_take(self, seconds: float) -> None:
        self.seconds = seconds

    @rule(slots=st.integers(1, 4))
    def the_cluster_changes(self, slots: int) -> None:
        self.roster.slots = slots

    @invariant()
    def the_tasks_that_are_sent_are_known(self) -> None:
        assert {task.batch.name for task in self.tasks} >= set(self.roster.batches)

    @invariant()
    def who_is_blamed_has_deserved_it(self) -> None:
        for trial, end in self.ends.items():
            if isinstance(end, Failed):
                assert end.cause is not Cause.CANCELLED
                assert end.cause is not Cause.TIMEOUT or trial in self.expired
                assert end.cause is not Cause.NODE_LOST or trial in self.lost

    def teardown(self) -> None:
        """What nobody disturbs comes to its end: nothing that was submitted is forgotten."""
        self.roster.fill()
        while self.tasks:
            task = self.tasks[0]
            if task.killed:
                self.over(task, Aftermath(exceptions.TaskCancelledError(), task.journal))
            else:
                self.step(task)
        assert set(self.jobs) == set(self.ends) | self.cancelled
        for trial in self.killers - self.cancelled:
            assert isinstance(self.ends[trial], Failed)
        assert all(verdict.done() for verdict in self.verdicts), "a worker waits for ever"
        assert not self.roster.batches
        super().teardown()


def several() -> tuple[Cluster, Task]:
    """A cluster, and a task of several jobs of which nothing was told yet."""
    cluster = Cluster()
    cluster.the_cluster_changes(1)
    cluster.submit(SAMPLE)
    while cluster.tasks:
        cluster.step(cluster.tasks[0])
    cluster.submit(4)
    (task,) = cluster.tasks
    return cluster, task


def test_a_cancelled_job_that_had_ended_does_not_hide_who_took_the_worker_with_it() -> None:
    cluster, task = several()
    first, second = (job.trial for job in task.todo[:2])
    cluster.step(task)
    cluster.cancelled.add(first)
    cluster.roster.cancel(first)
    cluster.step(task)
    cluster.step(task)
    cluster.crash(task)
    assert isinstance(cluster.ends[second], Failed)
    cluster.teardown()


def test_nobody_is_blamed_for_what_a_cancelled_job_did() -> None:
    cluster, task = several()
    cluster.step(task)
    cluster.cancelled.add(task.now.trial)  # type: ignore[union-attr]  # it has just begun
    cluster.roster.cancel(task.now.trial)  # type: ignore[union-attr]
    cluster.crash(task)
    assert not any(isinstance(end, Failed) for end in cluster.ends.values())
    cluster.teardown()


def test_a_task_that_is_over_is_not_ended_by_force() -> None:
    cluster, task = several()
    first = task.todo[0].trial
    while task.todo or task.now:
        cluster.step(task)
    cluster.cancelled.add(first)
    cluster.roster.cancel(first)
    cluster.step(task)
    assert not task.killed
    cluster.teardown()


@pytest.mark.parametrize("seconds", [0.001, 0.06])
def test_a_worker_that_asks_is_given_what_is_there(seconds: float) -> None:
    cluster = Cluster()
    cluster.seconds = seconds
    cluster.submit(SAMPLE)
    while cluster.tasks:
        cluster.step(cluster.tasks[0])
    cluster.submit(400)
    assert len(cluster.tasks) == 2, "the others wait until a worker asks"
    while cluster.tasks:
        for task in list(cluster.tasks):
            cluster.step(task)
    assert cluster.given > 100 and set(cluster.ends) == set(cluster.jobs)
    assert all(isinstance(end, Finished) for end in cluster.ends.values())


def test_one_that_hangs_after_its_worker_has_asked_is_looked_for() -> None:
    cluster = Cluster()
    cluster.seconds = 0.06
    cluster.submit(SAMPLE)
    while cluster.tasks:
        cluster.step(cluster.tasks[0])
    cluster.submit(1)
    (task,) = cluster.tasks
    cluster.step(task)
    assert task.now is not None and task.more is not None and not task.more.done()
    assert cluster.starts[-1] != task.now.trial and task.batch.due is not None
    cluster.a_stop_asks_what_has_begun()
    assert cluster.starts[-1] == task.now.trial
    cluster.teardown()


def test_nothing_is_given_to_one_that_hangs() -> None:
    cluster = Cluster()
    cluster.seconds = 0.06
    cluster.submit(SAMPLE)
    while cluster.tasks:
        cluster.step(cluster.tasks[0])
    cluster.submit(2)
    hanging, other = cluster.tasks
    cluster.step(hanging)
    cluster.step(other)
    assert hanging.batch.asked is not None and other.batch.asked is not None
    hanging.batch.asked_at -= 10
    cluster.submit(1)
    assert len(hanging.batch.left) == 1 and len(other.batch.left) == 2
    assert hanging.more is not None and hanging.more.result() == [], "it need not ask again"
    cluster.teardown()


def test_nobody_is_blamed_for_a_death_between_two_jobs() -> None:
    cluster, task = several()
    cluster.step(task)
    cluster.step(task)
    cluster.crash(task)
    assert not any(isinstance(end, Failed) for end in cluster.ends.values())
    cluster.teardown()


def test_jobs_that_take_long_are_given_to_whoever_is_free_first() -> None:
    cluster = Cluster()
    cluster.seconds = 0.2
    cluster.submit(SAMPLE + 20)
    while cluster.tasks:
        cluster.step(cluster.tasks[0])
    assert not cluster.given and set(cluster.ends) == set(cluster.jobs)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=60, stateful_step_count=40)
