"""Errand: a worker's side of a task: the jobs it has to do, what it has told of them, and how it comes by more."""

from __future__ import annotations

import pickle
import time
import zlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from raynas.engine.engine import Job
from raynas.engine.ray_engine.door import Door
from raynas.trial import Event

TELLING = 0.1
"""Seconds for which the ends of short jobs are collected: each message costs both sides more than such a job."""


def packed(jobs: Sequence[Job]) -> bytes:
    """Jobs on their way to a worker: their texts have much in common."""
    return zlib.compress(pickle.dumps(jobs), 1)


def unpacked(data: bytes) -> list[Job]:
    """Jobs that have arrived."""
    jobs: list[Job] = pickle.loads(zlib.decompress(data))
    return jobs


class Errand:
    """The jobs of a task, one after the other.

    Args:
        jobs: the first ones.
        door: the way to their engine.
        task: the task's name.
        worker: this worker's.
        notice: with so many jobs left it asks for more; 0: never. It waits for no answer: one that has not come when
            all is done is not looked at, and the engine gives to others what stood in it.
        hands: when this process has been given more so many times, it does not ask again.
        began: when, by the monotonic clock.

    Attributes:
        left: the jobs that have not begun.
        ends: those of the others, but for those of which the engine is known to have heard.
    """

    def __init__(
        self, jobs: Sequence[Job], door: Door, task: str, worker: str, notice: int, hands: int, began: float
    ) -> None:
        self.left = deque(jobs)
        self.ends: list[Event] = []
        self._door, self._task, self._worker = door, task, worker
        self._notice, self._hands = notice, hands
        self._told, self._told_at = 0, began
        self._more: Future[bytes] | None = None
        self._asked = 0

    @property
    def worn(self) -> bool:
        """Whether this process has been given enough, and has done all of it."""
        return not self.left and self._door.hands >= self._hands

    def take(self) -> Job:
        """The next job."""
        if self._more is None and len(self.left) <= self._notice and self._door.hands < self._hands:
            self._told = 0  # told again, for an answer proves that what its call told has arrived, and nothing else
            self._more, self._asked = self._door.ask(self._task, self._worker, self._untold()), len(self.ends)
        return self.left.popleft()

    def note(self, end: Event) -> None:
        """Add a job's end, and what was given meanwhile."""
        self.ends.append(end)
        if self._more is not None and self._more.done():
            self._open(self._more)
            self._more = None

    def tell_in_time(self) -> None:
        """Tell what has ended, unless something was told a moment ago."""
        if time.monotonic() - self._told_at >= TELLING:
            self.tell()

    def tell(self, leaving: bool = False) -> None:
        """Tell what has ended; and, before the process ends, that it does."""
        self._door.tell(self._task, self._untold(), leaving)

    def _open(self, answer: Future[bytes]) -> None:
        if answer.exception() is not None:  # nobody knows what has arrived
            self._notice = 0
            return
        given = unpacked(answer.result())
        self.left += given
        self._door.hands += bool(given)
        if not given:
            self._notice = 0
        del self.ends[: self._asked]
        self._told -= self._asked

    def _untold(self) -> bytes:
        data = pickle.dumps(self.ends[self._told :])
        self._told, self._told_at = len(self.ends), time.monotonic()
        return data
