"""Warming: workers import what a trial will need while the search itself is still being made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raynas.engine.ray_engine.engine import SEVERAL_GPUS
from raynas.engine.ray_engine.forks import let_go_when_forked
from raynas.engine.ray_engine.nodes import offer
from raynas.engine.resources import Resources
from raynas.engine.travel import extend_path

MOST = 64
"""So many processes are started at once at most."""


def warm(names: Sequence[str], path: Sequence[str]) -> int:
    """Import the worker's code, and what stands behind these names; what is missing here, the trial will tell.

    Returns:
        This process's id.
    """
    let_go_when_forked()
    extend_path(path)
    for name in ("raynas.engine.worker.work", *names):
        with suppress(Exception):
            _import(name)
    return os.getpid()


def _import(name: str) -> None:
    while name:
        name = name.rpartition(".")[0]
        try:
            import_module(name)
        except ModuleNotFoundError as missing:
            if name != missing.name and not name.startswith(f"{missing.name}."):
                raise
        else:
            return


def begin(resources: Resources, most: int | None, names: Sequence[str], path: Sequence[str]) -> list[Any]:
    """Have this node's workers begin, as many as it has room for trials; none where others use this Ray.

    Each takes what a trial takes, so that no trial is given a process beside those that are warming up.

    Args:
        resources: what a trial takes.
        most: how many trials there will be at a time at most; None: as many as there is room for.
        names: qualified names of what trials will need.
        path: folders from which these may be imported.

    Returns:
        References to what goes on.
    """
    whole = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's own
    free = ray.available_resources()  # type: ignore[no-untyped-call]  # the same
    if free.get("CPU", 0.0) < whole.get("CPU", 0.0):
        return []
    here = ray.get_runtime_context().get_node_id()
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    room = sum(resources.fits(offer(node)) for node in nodes if node["Alive"] and node["NodeID"] == here)
    function: Any = ray.remote(warm).options(
        name="raynas.warm",
        num_cpus=resources.num_cpus,
        num_gpus=resources.num_gpus or None,
        resources=dict(resources.custom) or None,
        max_retries=0,
        runtime_env=SEVERAL_GPUS if resources.num_gpus else None,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
    )
    return [function.remote(list(names), list(path)) for _ in range(min(MOST, room, most or MOST))]
