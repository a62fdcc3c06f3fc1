"""RemoteHost: a hosted object, from afar."""

from __future__ import annotations

from typing import Any

import ray
from ray import exceptions

from raynas.errors import SearchError

NAMESPACE = "raynas"
"""Ray's namespace of all named actors of raynas."""


class RemoteHost:
    """A hosted object, from afar."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        """What the object's method returns.

        Raises:
            TimeoutError: it has not returned within `timeout` seconds, or Ray is making its actor again.
            SearchError: the actor is gone, for good.
        """
        try:
            return ray.get(self._actor.call.remote(method, *args), timeout=timeout)
        except exceptions.GetTimeoutError:
            raise TimeoutError(method) from None
        except exceptions.ActorUnavailableError:
            raise TimeoutError(method) from None
        except exceptions.RayActorError as error:
            line = next((line for line in str(error).splitlines() if line.strip()), "")
            raise SearchError(f"the search's actor is gone ({line}): start the same command again to go on") from error

    def end(self) -> None:
        """End the actor."""
        ray.kill(self._actor)
