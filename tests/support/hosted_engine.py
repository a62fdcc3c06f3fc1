"""An engine hosted in a Ray actor, and its shadow in the test's process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from raynas.engine import Deliver, ExecutionEngine, Job, Resources, Workplace
from raynas.engine.ray_engine import RayEngine, RemoteHost
from raynas.trial import Event


class HostedEngine:
    """One RayEngine after the other; all their methods but the workers' are called on one thread, as a search does."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self.engine: RayEngine

    def open(self, place: Workplace, resources: Resources, trials_per_worker: int = 1000) -> Future[None]:
        def opened() -> None:
            self.engine = RayEngine(place, resources, trials_per_worker=trials_per_worker)

        return self._thread.submit(opened)

    def run(self) -> None:
        threading.Event().wait()

    def do(self, method: str, *args: Any) -> Future[Any]:
        return self._thread.submit(getattr(self.engine, method), *args)

    def wait(self, timeout: float | None) -> Future[list[list[Event]]]:
        def waited() -> list[list[Event]]:
            heard: list[list[Event]] = []
            self.engine.wait(lambda news: heard.append(list(news)), timeout)
            return heard

        return self._thread.submit(waited)


class Shadow(ExecutionEngine):
    """Passes everything on to the hosted engine."""

    def __init__(self, host: RemoteHost) -> None:
        self._host = host

    def slots(self) -> int:
        return int(self._host.call("do", "slots"))

    def capacity(self) -> int:
        return int(self._host.call("do", "capacity"))

    def submit(self, job: Job) -> None:
        self._host.call("do", "submit", job)

    def wait(self, deliver: Deliver, timeout: float | None) -> None:
        heard: Sequence[Sequence[Event]] = self._host.call("wait", timeout)
        for news in heard:
            deliver(news)

    def answer(self, trial: int, attempt: int, stop: bool) -> None:
        self._host.call("do", "answer", trial, attempt, stop)

    def cancel(self, trial: int) -> None:
        self._host.call("do", "cancel", trial)

    def expire(self, trial: int) -> None:
        self._host.call("do", "expire", trial)

    def wake(self) -> None:
        self._host.call("engine.wake")

    def close(self) -> None:
        self._host.call("do", "close")
