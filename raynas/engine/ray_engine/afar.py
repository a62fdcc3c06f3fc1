"""Afar: a look at what lies on one node of the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

PATIENCE = 20.0
"""Seconds within which another node must answer."""

LETTERS = 8
"""So many of a node's id tell it from the others."""


def own_node() -> str:
    """The first letters of this node's id."""
    return str(ray.get_runtime_context().get_node_id())[:LETTERS]


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
