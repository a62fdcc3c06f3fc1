"""What a worker does of a task, tells of it, and asks for."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from raynas.engine import Job
from raynas.engine.ray_engine.errand import Errand, packed, unpacked
from raynas.trial import Event, Finished


@dataclass
class Engine:
    """An engine at the other end, which answers when it likes.

    Attributes:
        later: the jobs that it has, to be given one after the other.
        heard: the trials of whose ends it has heard, by an answered call.
        hands: how often it has given something.
    """

    later: list[Job]
    heard: set[int] = field(default_factory=set)
    hands: int = 0
    asking: tuple[Future[bytes], set[int]] | None = None

    def ask(self, task: str, worker: str, events: bytes) -> Future[bytes]:
        assert self.asking is None, "it is asked once at a time"
        told = {event.trial for event in pickle.loads(events)}
        self.asking = Future(), told
        return self.asking[0]

    def tell(self, task: str, events: bytes, leaving: bool = False) -> None:
        """It may be lost on its way."""
        assert pickle.loads(events)

    def answer(self, number: int, broken: bool = False) -> None:
        if self.asking is None:
            return
        (future, told), self.asking = self.asking, None
        if broken:
            future.set_exception(OSError("the way is broken"))
            return
        self.heard |= told
        some, self.later[:] = self.later[:number], self.later[number:]
        future.set_result(packed(some))


def jobs(first: int, number: int) -> list[Job]:
    return [Job(trial, 1, "", "") for trial in range(first, first + number)]


def trials(events: Sequence[Event]) -> list[int]:
    return [event.trial for event in events]


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 5), st.lists(st.integers(-1, 3), max_size=30), st.data())
def test_nothing_is_lost_and_nothing_is_done_twice(
    number: int, notice: int, hands: int, answers: list[int], data: st.DataObject
) -> None:
    engine = Engine(jobs(number, 20))
    errand = Errand(jobs(0, number), engine, "task", "worker", notice, hands, began=0.0)  # type: ignore[arg-type]
    done, given = list[int](), list(range(number))
    while errand.left:
        job = errand.take()
        if answers and data.draw(st.booleans()):
            some = answers.pop()
            given += [job.trial for job in engine.later[: max(0, some)]] if engine.asking else []
            engine.answer(max(0, some), broken=some < 0)
        done.append(job.trial)
        errand.note(Finished(job.trial, 0.0, 1, {}, 0.001))
        if data.draw(st.booleans()):
            errand.tell_in_time()
    assert done == given[: len(done)] and done == list(range(len(done)))
    assert engine.heard | set(trials(errand.ends)) == set(done), "whoever has only the return knows the rest"
    assert engine.hands <= hands and (notice or len(done) == number)
    assert errand.worn == (engine.hands == hands)


def test_who_is_given_nothing_does_not_ask_again() -> None:
    engine = Engine([])
    errand = Errand(jobs(0, 3), engine, "task", "worker", 3, 9, began=0.0)  # type: ignore[arg-type]
    for trial in range(3):
        assert errand.take().trial == trial
        assert (engine.asking is not None) == (trial == 0)
        engine.answer(0)
        errand.note(Finished(trial, 0.0, 1, {}, 0.001))
    assert trials(errand.ends) == [0, 1, 2]


def test_jobs_travel() -> None:
    some: list[Any] = jobs(0, 3)
    assert unpacked(packed(some)) == some
