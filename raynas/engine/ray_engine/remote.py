"""RemoteHost: a hosted object, from afar."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray import exceptions

from raynas.engine.ray_engine.connection import SHUT_DOWN, connection
from raynas.errors import SearchError

NAMESPACE = "raynas"
"""Ray's namespace of all named actors of raynas."""


class RemoteHost:
    """A hosted object, from afar.

    Args:
        actor: the actor that hosts it.
        make: makes that actor again, after an accident; None: Ray does.
        restarts: how often `make` may be called.
    """

    def __init__(self, actor: Any, make: Callable[[], Any] | None = None, restarts: int = 0) -> None:
        self._actor = actor
        self._make = make
        self._restarts = restarts
        self._connection = connection()

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        """What the object's method returns.

        Raises:
            TimeoutError: it has not returned within `timeout` seconds, or its actor is being made again.
            SearchError: the actor is gone, for good.
        """
        if connection() != self._connection:
            raise SearchError(SHUT_DOWN)
        if self._actor is None:
            with suppress(ValueError):  # its name is not free yet: the next call will try again
                self._actor = self._make() if self._make is not None else None
            raise TimeoutError(method)
        try:
            return ray.get(self._actor.call.remote(method, *args), timeout=timeout)
        except Exception as error:
            if connection() != self._connection:
                raise SearchError(SHUT_DOWN) from error
            if isinstance(error, exceptions.GetTimeoutError | exceptions.ActorUnavailableError):
                raise TimeoutError(method) from None
            if not isinstance(error, exceptions.RayActorError | exceptions.OutOfMemoryError):
                raise
            broken = getattr(error, "actor_init_failed", False)  # as it would be the next time
            if self._make is not None and self._restarts and not broken and _node_lives():
                self._restarts -= 1
                self._actor = None  # Ray keeps its name for as long as somebody holds it
                raise TimeoutError(method) from None
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
            line = lines[-1 if broken else 0]  # the former is the last one of a traceback
            raise SearchError(f"the search's actor is gone ({line}): start the same command again to go on") from error

    def end(self) -> None:
        """End the actor, where it has not ended with its Ray."""
        if self._actor is not None and connection() == self._connection:
            ray.kill(self._actor)


def _node_lives() -> bool:
    """Whether the node of this process is still part of its cluster."""
    here = ray.get_runtime_context().get_node_id()
    try:
        nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    except exceptions.RayError:
        return False
    return any(node["Alive"] and node["NodeID"] == here for node in nodes)
