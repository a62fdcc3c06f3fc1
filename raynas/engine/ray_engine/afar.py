"""Afar: a look at what lies on one node of the cluster."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
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
    """What `look` returns on a node, named by the first letters of its id; None where it is gone."""
    if node == own_node():
        return look(*args)
    return next((found for found in map(_got, _sent(node, look, args)) if found is not None), None)


def elsewhere(look: Callable[..., Any], *args: Any) -> list[Any]:
    """What `look` returns on all other nodes that answer."""
    return [found for found in map(_got, _sent("", look, args)) if found is not None]


def _sent(node: str, look: Callable[..., Any], args: tuple[Any, ...]) -> list[ray.ObjectRef[Any]]:
    """Look on all other nodes whose ids begin so."""
    own, nodes = own_node(), ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    there = [item["NodeID"] for item in nodes if item["Alive"] and item["NodeID"].startswith(node) and _listens(item)]
    function: Any = ray.remote(look)
    return [
        function.options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(each, soft=False)
        ).remote(*args)
        for each in there
        if not each.startswith(own)
    ]


def _got(ref: ray.ObjectRef[Any]) -> Any:
    try:
        return ray.get(ref, timeout=PATIENCE)
    except (exceptions.RayError, TimeoutError):
        return None


def _listens(node: Mapping[str, Any]) -> bool:
    """Whether a node may still be there; one that is not would be waited for."""
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), MOMENT).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    return True


def some_is_gone() -> bool:
    """Whether any node has gone of which Ray itself has not heard."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    return not all(_listens(node) for node in nodes if node["Alive"])
