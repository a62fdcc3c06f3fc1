"""Waiting: what is told of trials that cannot begin, since others use what they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import ray

from raynas.engine.ray_engine.batch import Batch
from raynas.engine.ray_engine.nodes import offer
from raynas.engine.resources import Resources

PATIENCE = 15.0
"""Seconds in which a trial that has room begins, also where a worker has to be started first."""


class Waiting:
    """Tells once that nothing begins; again after something has begun.

    Args:
        resources: what a trial takes.
        note: is told what people should know, in a line.
        free: what nobody uses at the moment, in Ray's words.
        clock: seconds.
    """

    def __init__(
        self,
        resources: Resources,
        note: Callable[[str], None],
        free: Callable[[], Mapping[str, float]] = ray.available_resources,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resources = resources
        self._note = note
        self._free = free
        self._clock = clock
        self._first = ""
        self._since = 0.0
        self._told = False

    def look(self, batches: Iterable[Batch]) -> None:
        """Take note of the tasks that have been sent and not ended, the oldest first."""
        sent = list(batches)
        if not sent or any(batch.worker for batch in sent) or sent[0].name != self._first:
            self._first, self._since, self._told = sent[0].name if sent else "", self._clock(), False
        elif not self._told and self._clock() - self._since >= PATIENCE:
            free = offer({"Resources": self._free()})
            if not self._resources.fits(free):
                self._told = True
                left = ", ".join(f"{name}={free.get(name, 0):g}" for name, n in self._resources.demand().items() if n)
                self._note(
                    f"no trial has begun for {PATIENCE:g} s, as what one takes is in use "
                    f"({self._resources.describe()}; free: {left}): waiting for it; `ray status` tells more"
                )
