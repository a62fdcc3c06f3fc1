"""Room: whether anything that there is, or will be, can run a trial."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import ray

from raynas.engine.ray_engine.demand import autoscaler_runs
from raynas.engine.ray_engine.nodes import offer
from raynas.engine.resources import Resources
from raynas.errors import ResourceError


def check_machine(resources: Resources) -> None:
    """Find out, before Ray is started here, that it could not run a single trial.

    Where Ray is started already, or is to be joined, nothing is found out.

    Raises:
        ResourceError: what a trial takes is more than Ray would offer; it says what that is.
    """
    if ray.is_initialized() or (os.environ.get("RAY_ADDRESS") or "local") != "local":
        return
    try:
        from ray._private.resource_and_label_spec import ResourceAndLabelSpec

        found = ResourceAndLabelSpec().resolve(is_head=True).to_resource_dict()  # type: ignore[no-untyped-call]  # Ray's own
    except Exception:  # Ray's own affairs, which may change: it will be asked when it has started
        return
    there = offer({"Resources": found})
    if not resources.fits(there):
        raise ResourceError(f"{_lack(resources, [there])}: ask for less, or name a cluster by RAY_ADDRESS")


def check(resources: Resources) -> list[str]:
    """What people should know before trials that take this much are begun in this Ray, each in a line.

    Raises:
        ResourceError: no node can run a single one, and none will come that can; it says what there is.
    """
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
    there = [offer(node) for node in nodes if node["Alive"]]
    mine = held()
    here = ray.get_runtime_context().get_node_id()
    left = [_less(offer(node), mine) if node["NodeID"] == here else offer(node) for node in nodes if node["Alive"]]
    if any(resources.fits(each) for each in left):
        return [] if resources.num_gpus else _idle_gpus(there)
    if any(resources.fits(each) for each in there):
        own = ", ".join(f"{name}={amount:g}" for name, amount in mine.items())
        needs = f"a trial needs {resources.describe()}, and the actor or task that searches keeps {own} from it"
        cure = "start that one with less (num_cpus=0 is enough), or add a node"
    else:
        needs, cure = _lack(resources, there), "ask for less, or add a node"
    if autoscaler_runs():
        return [f"{needs}: waiting for the cluster's autoscaler"]
    raise ResourceError(f"{needs}: {cure}")


def held() -> Mapping[str, float]:
    """What this process keeps of its node while it searches, in the words of `Resources`; nothing unless it is Ray's.

    A task gives its CPUs back for as long as its main thread waits; an actor does not.
    """
    context = ray.get_runtime_context()
    if context.worker.mode != ray.WORKER_MODE:
        return {}
    assigned = offer({"Resources": context.get_assigned_resources()})  # type: ignore[no-untyped-call]  # Ray's own
    gives = context.get_actor_id() is None and threading.current_thread() is threading.main_thread()
    return {name: amount for name, amount in assigned.items() if amount and not (gives and name == "num_cpus")}


def _less(there: Mapping[str, float], mine: Mapping[str, float]) -> Mapping[str, float]:
    return {name: amount - mine.get(name, 0.0) for name, amount in there.items()}


def _lack(resources: Resources, there: list[Mapping[str, float]]) -> str:
    known = resources.demand()
    has = "; ".join(
        ", ".join(f"{name}={each.get(name, 0):g}" for name in known if known[name] or name in each) for each in there
    )
    return f"a trial needs {resources.describe()}, and no node has that (there is: {has or 'no node'})"


def _idle_gpus(there: list[Mapping[str, float]]) -> list[str]:
    count = sum(each.get("num_gpus", 0) for each in there)
    if not count:
        return []
    what = "is 1 GPU" if count == 1 else f"are {count:g} GPUs"
    return [f"there {what} that no trial uses: give resources num_gpus, 1 or a part of one"]
