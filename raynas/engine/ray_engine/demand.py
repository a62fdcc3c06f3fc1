"""Demand: what a search asks of the cluster's autoscaler, and takes back.

Ray keeps one request for the whole cluster, which the next one overwrites and which outlives who made it. So each
search writes its own share into Ray's key-value store, and what is requested is the sum of the shares of those that
live: whoever comes or goes puts that right, also for one that was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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

PATIENCE = 60.0
"""Seconds after which an autoscaler that has begun to start no node will not do so any more."""


class Demand:
    """What one search asks of the autoscaler.

    That is room for as many trials as it wants; for one, where it does not say, from the moment on at which no node has
    room for any: a cluster whose workers come when they are asked for would have none for ever.

    Args:
        name: of the search's actor.
        resources: what one trial takes.
        wanted: how many trials at once; None: as many as there is room for.
        note: is told what people should know, in a line.
    """

    def __init__(self, name: str, resources: Resources, wanted: int | None, note: Callable[[str], None]) -> None:
        self._name = name
        self._resources = resources
        self._asked = wanted or 0
        self._note = note
        self._had_room = False
        self._since: float | None = None
        self._told = False
        declare(name, resources, self._asked)

    def look(self, slots: int) -> None:
        """Take note of how many trials can run at once now."""
        if slots:
            self._had_room, self._since, self._told = True, None, False
            return
        now = time.monotonic()
        if self._since is None:
            self._since = now
            if self._had_room:
                self._note(f"no node is left that has {self._resources.describe()} for a trial: waiting for one")
            if not self._asked:
                self._asked = 1
                declare(self._name, self._resources, 1)
        elif not self._told and now - self._since > PATIENCE:
            self._told = True
            found = _autoscaler()
            if found.makes_nodes and not found.busy:
                self._note(
                    f"the autoscaler has started no node for {PATIENCE:g} s: perhaps it has no kind of node with "
                    f"{self._resources.describe()}; `ray status` tells what it lacks"
                )

    def withdraw(self) -> None:
        """Take back what was asked."""
        if self._asked:
            self._asked = 0
            declare(self._name, self._resources, 0)


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
    return _autoscaler().makes_nodes


@dataclass(frozen=True)
class _Autoscaler:
    """What is known of the autoscaler.

    Attributes:
        makes_nodes: whether there is one that does.
        busy: whether it is making some.
    """

    makes_nodes: bool
    busy: bool


def _autoscaler() -> _Autoscaler:
    from ray.autoscaler.v2.sdk import get_cluster_status
    from ray.autoscaler.v2.utils import is_autoscaler_v2

    if is_autoscaler_v2():
        status = get_cluster_status(ray.get_runtime_context().gcs_address)
        types = {node.ray_node_type_name for node in (*status.active_nodes, *status.idle_nodes)}
        busy = bool(status.pending_launches or status.pending_nodes)
    else:
        written = json.loads(_internal_kv_get(STATUS) or "{}")
        report = written.get("autoscaler_report") or {}
        if time.time() - written.get("time", 0.0) > SILENCE:
            report = {}
        types = set(report.get("active_nodes", ()))
        busy = bool(report.get("pending_launches") or report.get("pending_nodes"))
    return _Autoscaler(any(not name.startswith(READ_ONLY) for name in types), busy)


def _shares() -> dict[str, tuple[Mapping[str, float], int]]:
    found = {}
    for key in sorted(_internal_kv_list(SHARE)):
        text = _internal_kv_get(key)
        if text is not None:
            share, count = json.loads(text)
            found[key.decode().removeprefix(SHARE)] = (share, int(count))
    return found
