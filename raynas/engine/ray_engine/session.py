"""RaySession: the driver's side: a connection to Ray, and an actor in it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raynas.engine.ray_engine.engine import offers
from raynas.engine.ray_engine.host import Host
from raynas.engine.resources import Resources
from raynas.errors import ConfigError, ResourceError, SearchError

RESTARTS = 5
"""How often Ray makes a lost actor again: enough for accidents, too few to hide that it cannot live."""

CALLERS = 10_000
"""How many calls an actor may have open: each worker that waits for a verdict holds one."""

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def in_job() -> bool:
    """Whether this process is the driver of a Ray job, whose folder is a copy that goes with the job."""
    return JOB in os.environ


class RaySession:
    """Ray, started or joined; ended on leaving only if it was started or joined here.

    `RAY_ADDRESS` is honoured, and a Ray that this process has started already is used.

    Args:
        verbose: whether Ray may print what it does and what workers print.
    """

    def __init__(self, verbose: bool = False) -> None:
        self._verbose = verbose
        self._own = False

    def __enter__(self) -> Self:
        if ray.is_initialized():
            return self
        address = os.environ.get("RAY_ADDRESS", "")
        if address.startswith("ray://"):
            raise ConfigError(
                f"RAY_ADDRESS is {address}, and a search cannot live behind Ray's client, whose end would end it: "
                "use `raynas search --submit ADDRESS`, or start the search on the cluster"
            )
        # What the project folder holds is here already unless Ray's nodes are other machines.
        remote = bool(address) and address != "local" and not in_job()
        try:
            ray.init(
                include_dashboard=False if not address or address == "local" else None,
                log_to_driver=self._verbose,
                logging_level=logging.INFO if self._verbose else logging.ERROR,
                runtime_env={"working_dir": os.getcwd(), "excludes": [".git", ".venv"]} if remote else None,
            )
        except (ConnectionError, RuntimeError, ValueError, exceptions.RayError) as error:
            where = f" at {address}" if address else ""
            raise ResourceError(f"Ray{where} could not be reached: {' '.join(str(error).split())[:300]}") from error
        self._own = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._own:
            ray.shutdown()

    def check(self, resources: Resources) -> None:
        """Raise `ResourceError` where no node can run a single trial, saying what there is."""
        there = offers()
        if any(resources.fits(offer) for offer in there):
            return
        known = resources.demand()
        has = "; ".join(
            ", ".join(f"{name}={offer.get(name, 0):g}" for name in known if known[name] or name in offer)
            for offer in there
        )
        raise ResourceError(
            f"a trial needs {resources.describe()}, and no node has that (there is: {has or 'no node'}): "
            "ask for less, or add a node"
        )

    def host(self, factory: str, arguments: Mapping[str, Any]) -> RemoteHost:
        """Host an object on this node, without taking a CPU from the trials; it ends with this process."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        actor = ray.remote(Host).options(
            num_cpus=0, max_restarts=RESTARTS, max_concurrency=CALLERS, scheduling_strategy=here
        )
        return RemoteHost(actor.remote(factory, dict(arguments)))


class RemoteHost:
    """A hosted object, from afar."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def call(self, method: str, *args: Any, timeout: float | None = None) -> Any:
        """What the object's method returns.

        Raises:
            TimeoutError: it has not returned within `timeout` seconds.
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
