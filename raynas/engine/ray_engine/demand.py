"""Demand: what a search asks of the cluster's autoscaler, and takes back.

Ray keeps one request for the whole cluster, which the next one overwrites and which outlives who made it. So each
search writes its own share into Ray's key-value store, and what is requested is the sum of the shares of those that
live: whoever comes or goes puts that right, also for one that was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import ray
from ray.autoscaler.sdk import request_resources
from ray.experimental.internal_kv import _internal_kv_del, _internal_kv_get, _internal_kv_list, _internal_kv_put

from raynas.engine.ray_engine.remote import NAMESPACE
from raynas.engine.resources import Resources

SHARE = "raynas:demand:"

STATUS = "__autoscaling_status"
"""Where Ray's autoscaler writes down what it does; one without a provider of machines only names what is there."""

READ_ONLY = "node_"
"""How that one, and version 2 of the other, name the type of a node that they have not made."""

SILENCE = 120.0
"""Seconds after which an autoscaler that writes nothing is gone."""


def declare(name: str, resources: Resources, trials: int) -> None:
    """Have the autoscaler make room for so many trials at once.

    Args:
        name: of the actor that asks.
        resources: what one trial takes.
        trials: how many; 0 takes back what was asked.
    """
    before = _shares()
    if trials:
        _internal_kv_put(SHARE + name, json.dumps([bundle(resources), trials]), overwrite=True)
    else:
        _internal_kv_del(SHARE + name)
    living = {
        item["name"] for item in ray.util.list_named_actors(all_namespaces=True) if item["namespace"] == NAMESPACE
    }
    for gone in before.keys() - living - {name}:
        _internal_kv_del(SHARE + gone)
    after = _shares()
    if after != before:
        request_resources(bundles=[dict(share) for share, count in after.values() for _ in range(count)])


def bundle(resources: Resources) -> dict[str, float]:
    """What one trial takes, in the words of Ray's autoscaler."""
    words = {"num_cpus": "CPU", "num_gpus": "GPU"}
    return {words.get(name, name): amount for name, amount in resources.demand().items() if amount}


def autoscaler_runs() -> bool:
    """Whether something makes nodes when they are asked for."""
    from ray.autoscaler.v2.sdk import get_cluster_status
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    if is_autoscaler_v2():
        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        types = {node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)}
    else:
        report = json.loads(_internal_kv_get(STATUS) or "{}")
        if time.time() - report.get("time", 0.0) > SILENCE:
            return False
        types = set(report.get("autoscaler_report", {}).get("active_nodes", ()))
    return any(not name.startswith(READ_ONLY) for name in types)


def _shares() -> dict[str, tuple[Mapping[str, float], int]]:
    found = {}
    for key in sorted(_internal_kv_list(SHARE)):
        text = _internal_kv_get(key)
        if text is not None:
            share, count = json.loads(text)
            found[key.decode().removeprefix(SHARE)] = (share, int(count))
    return found
