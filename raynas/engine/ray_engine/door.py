"""Door: the way from a worker to the engine whose jobs it does."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import ray

from raynas.engine.engine import Workplace
from raynas.engine.ray_engine.stowed import Stowed, fetched
from raynas.trial import Reported


class Door:
    """The way to an engine.

    Args:
        actor: the actor in which it lives.
        engine: the engine's name there.
        stowed: what its jobs share.

    Attributes:
        hands: how often this process was given more of its jobs to do in a task than it came with.
    """

    def __init__(self, actor: Any, engine: str, stowed: ray.ObjectRef[Stowed]) -> None:
        self._actor, self._engine, self._stowed = actor, engine, stowed
        self.hands = 0

    def packed(self) -> bytes:
        """The door on its way to the workers, as bytes that are always the same: each opens them once. Given to a task
        as it is, its references would be made, counted and given back with each. So the object stays for as long as
        this process."""
        packed: bytes = ray.cloudpickle.dumps((self._actor, self._engine, self._stowed))  # type: ignore[no-untyped-call]
        return packed

    def place(self) -> Workplace:
        """What the engine's jobs share."""
        stowed: Stowed = fetched(self._stowed)
        return stowed.unpacked()

    def report(self, event: Reported) -> bool:
        """Tell what an evaluator reports; whether it is to stop."""
        return bool(fetched(self._actor.call.remote(f"{self._engine}.report", event)))

    def ask(self, task: str, worker: str, events: bytes) -> Future[bytes]:
        """Tell what has happened in a task, and ask for more to do in it."""
        more: Future[bytes] = self._actor.call.remote(f"{self._engine}.ask", task, worker, events).future()
        return more

    def tell(self, task: str, events: bytes, leaving: bool = False) -> None:
        """Tell what has happened in a task; and have it arrive, where the process ends."""
        told = self._actor.call.remote(f"{self._engine}.tell", task, events, leaving)
        if leaving:
            fetched(told)
