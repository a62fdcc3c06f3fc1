"""Host: a Ray actor around any object, which it knows nothing of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from importlib import import_module
from operator import attrgetter
from typing import Any, Protocol

import ray


class Hosted(Protocol):
    """What can be hosted.

    Its methods are called from the actor's event loop, so they only note what they are told and return at once; one
    that has to wait returns a `concurrent.futures.Future`.
    """

    def run(self) -> None:
        """The object's own work; runs in a thread of its own from the start."""


class Host:
    """Makes an object, runs it in a thread, and passes calls to it.

    Ray restarts an actor by its constructor alone, so everything that the object is has to follow from the arguments.

    Args:
        factory: what makes the object, as "module:function".
        arguments: small, plain ones: those that belong to a driver that is gone would keep the actor from restarting.
        linger: seconds for which the actor lives on when the object's work is done; None: until somebody ends it.
    """

    def __init__(self, factory: str, arguments: Mapping[str, Any], linger: float | None = None) -> None:
        module, _, name = factory.partition(":")
        self._hosted: Hosted = attrgetter(name)(import_module(module))(**arguments)
        self._linger = linger
        threading.Thread(target=self._run, name="raynas-loop", daemon=True).start()

    async def call(self, method: str, *args: Any) -> Any:
        """What the object's method returns; a method of a part of it is named with dots."""
        result = attrgetter(method)(self._hosted)(*args)
        return await asyncio.wrap_future(result) if isinstance(result, Future) else result

    def _run(self) -> None:
        self._hosted.run()
        if self._linger is not None:
            time.sleep(self._linger)
            ray.kill(ray.get_runtime_context().current_actor)
