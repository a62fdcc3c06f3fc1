"""Afar: a look at what lies on one node of the cluster."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

PATIENCE = 20.0
"""Seconds within which another node must answer."""

MOMENT = 0.5
"""Seconds for which a node is looked at whose worker has died."""

LOOKS = 5

LETTERS = 8
"""So many of a node's id tell it from the others."""


def own_node() -> str:
    """The first letters of this node's id."""
    return str(ray.get_runtime_context().get_node_id())[:LETTERS]


def is_gone(node: str) -> bool:
    """Whether a node, named by the first letters of its id, has gone, of which Ray itself hears some seconds later.

    One that has been told to go takes connections for another moment.
    """
    if node in ("", own_node()):
        return False
    for _ in range(LOOKS):
        there = [item for item in ray.nodes() if item["NodeID"].startswith(node) and item["Alive"]]  # type: ignore[no-untyped-call]  # Ray's own
        try:
            for item in there:
                socket.create_connection((item["NodeManagerAddress"], item["NodeManagerPort"]), MOMENT).close()
        except OSError:
            return True
        if not there:
            return True
        time.sleep(MOMENT / LOOKS)
    return False


def on_node(node: str, look: Callable[..., Any], *args: Any) -> Any:
    """What `look` returns on a node, named by the first letters of its id (empty: this one); None where it is gone."""
    if node in ("", own_node()):
        return look(*args)
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    there = next((item["NodeID"] for item in nodes if item["NodeID"].startswith(node) and item["Alive"]), None)
    if there is None:
        return None
    function: Any = ray.remote(look).options(
        num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(there, soft=False)
    )
    try:
        return ray.get(function.remote(*args), timeout=PATIENCE)
    except (exceptions.RayError, TimeoutError):
        return None
