"""Planning: who makes the plans: the caller itself, or a thread, which has help where there is too much to examine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

from raynas.engine import Calls
from raynas.graph.room import roomy
from raynas.search.planned import Planned
from raynas.search.planner import Planner, joined
from raynas.search.strain import Strain
from raynas.trial import History

MANY = 256
"""So many proposals are asked for at once at most."""

TASK = 0.01
"""Seconds of examining that make a task worth its sending."""

Deliver = Callable[[Planned], None]


class InlinePlanner:
    """Plans in the caller's thread."""

    ahead = 1

    def __init__(self, planner: Planner, deliver: Deliver) -> None:
        self._planner, self._deliver = planner, deliver

    def ask(self, number: int, history: History, count: int) -> None:
        for draft in self._planner.drafts(number, history, count):
            self._deliver(self._planner.finished(draft))

    def close(self) -> None:
        """Nothing to end."""


class ThreadPlanner:
    """Plans in a thread of its own, so that a slow strategy never delays a verdict.

    The strategy is asked here, in the order of the proposals. Where examining what it proposed takes most of the
    thread's time, others are sent a part of it; what they do not bring, because they have died or have not begun yet,
    is examined here, so that nothing is ever waited for.

    Args:
        planner: makes plans; runs in the thread.
        deliver: takes them, in the order of their numbers; called in the thread.
        calls: examines samples elsewhere; None: there is no elsewhere.
    """

    def __init__(self, planner: Planner, deliver: Deliver, calls: Calls | None = None) -> None:
        self._planner, self._deliver, self._calls = planner, deliver, calls
        self._asks: SimpleQueue[tuple[int, History, int] | None] = SimpleQueue()
        self._strain = Strain()
        self._each = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="raynas-planner", daemon=True)
        self._thread.start()

    @property
    def ahead(self) -> int:
        """For how many proposals it is to be asked at once, at most."""
        return MANY if self._calls is not None and self._strain.high else 1

    def ask(self, number: int, history: History, count: int) -> None:
        self._asks.put((number, history, count))

    def close(self) -> None:
        """End the thread when it has finished its plan."""
        self._closed = True
        self._asks.put(None)
        self._thread.join(timeout=1)

    @roomy
    def _run(self) -> None:
        while (ask := self._asks.get()) is not None:
            drafts = self._planner.drafts(*ask)
            begun = time.monotonic()
            for plan in self._finished(drafts):
                self._deliver(plan)
            self._strain.note(begun, time.monotonic())

    def _finished(self, drafts: list[Planned]) -> Iterator[Planned]:
        """The drafts' plans, in their order."""
        own, sent = self._sent(drafts)
        plans: dict[int, Planned] = {}
        told = 0
        while not self._closed:
            for part, future in list(sent.items()):
                if future.done():
                    del sent[part]
                    with suppress(Exception):  # whatever became of the task, its part is done here then
                        found = future.result()
                        plans.update(
                            (place, joined(drafts[place], each)) for place, each in zip(part, found, strict=True)
                        )
            while told in plans:
                yield plans[told]
                told += 1
            if told == len(drafts):
                return
            # First what nobody else does; then what others come to last.
            mine = next((place for place in own if place not in plans), None)
            place = max(set(range(told, len(drafts))) - plans.keys()) if mine is None else mine
            plans[place] = self._timed(drafts[place])

    def _sent(self, drafts: list[Planned]) -> tuple[range, dict[range, Future[Any]]]:
        """Which drafts are this thread's own, and which have been sent away."""
        calls, number = self._calls, sum(draft.sample is not None for draft in drafts)
        if calls is None or number < 2:
            return range(len(drafts)), {}
        own, *parts = shares(number, calls.room(), self._each)
        sent = {part: calls.send([drafts[place].sample for place in part]) for part in parts}
        return own, sent

    def _timed(self, draft: Planned) -> Planned:
        begun = time.monotonic()
        plan = self._planner.finished(draft)
        if draft.sample is not None:
            self._each += (time.monotonic() - begun - self._each) / 8
        return plan


def shares(number: int, room: int, each: float) -> list[range]:
    """How to split what is to be examined: the planner's own part, and one for each task.

    Args:
        number: how many samples there are.
        room: how many tasks there may be.
        each: seconds that one sample takes.
    """
    parts = 1 + max(0, min(room, number - 1, int(number * each / TASK) - 1))
    bounds = [-(-number * part // parts) for part in range(parts + 1)]
    return [range(begin, end) for begin, end in pairwise(bounds)]
