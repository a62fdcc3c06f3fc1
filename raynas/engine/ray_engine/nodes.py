"""Nodes: those of the cluster that trials may be sent to, because all that a trial needs has been found there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raynas.engine.engine import Workplace
from raynas.engine.ray_engine import probe as probing
from raynas.engine.ray_engine.pulse import Address, Pulse
from raynas.engine.resources import Resources
from raynas.errors import ResourceError

LABEL = "ray.io/node-id"
"""Ray's own label of each node."""

WORDS = {"CPU": "num_cpus", "GPU": "num_gpus"}

LIGHTNING = "raynas.evaluator.lightning"


class Nodes:
    """Knows the cluster's nodes; each new one is probed before it counts. This one counts at once.

    Args:
        place: what a trial needs.
        resources: the same.
        environment: Ray's runtime environment of a trial.
        pulse: knows which nodes have gone.
        note: is told of each node that cannot be used, in a line.
    """

    def __init__(
        self,
        place: Workplace,
        resources: Resources,
        environment: Any,
        pulse: Pulse,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._place = place
        self._resources = resources
        self._pulse = pulse
        self._note = note
        self._environment = environment
        self._bad: dict[str, str] = {}
        self._asked: dict[str, ray.ObjectRef[Any]] = {}
        self._own = ray.get_runtime_context().get_node_id()
        self._good = {self._own}
        self._there: dict[str, Mapping[str, Any]] = {}

    def look(self) -> list[Mapping[str, float]]:
        """What each node that trials may be sent to has in all, in the words of `Resources`.

        Raises:
            ResourceError: there is room for a trial, but none where one can run.
        """
        nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's own
        alive = {node["NodeID"]: node for node in nodes if node["Alive"]}
        self._there = {node: item for node, item in alive.items() if node not in self._pulse.gone}
        self._asked = {node: ref for node, ref in self._asked.items() if node in self._there}
        for node in self._there.keys() - self._good - self._bad.keys() - self._asked.keys():
            if self._resources.fits(offer(self._there[node])):
                self._asked[node] = self._ask(node)
        self._hear()
        # Also those that count only now: a node that ends before it has answered is left to Ray.
        self._pulse.feel({node: address(alive[node]) for node in self._good & alive.keys() - {self._own}})
        fit = [node for node in self._bad if node in self._there]
        offers = [offer(self._there[node]) for node in sorted(self._good & self._there.keys())]
        if fit and not self._asked and not any(self._resources.fits(item) for item in offers):
            raise ResourceError(f"no node can run a trial: {self._bad[fit[0]]}")
        return offers

    def usable(self) -> frozenset[str]:
        """The ids of those nodes."""
        return frozenset(self._good & self._there.keys()) or frozenset(self._good)

    def _ask(self, node: str) -> ray.ObjectRef[Any]:
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        place = self._place
        versions = {"torch": _version("torch"), "raynas": ""}
        if any(name.startswith(LIGHTNING) for name in place.trust) and "pytorch_lightning" in sys.modules:
            versions["pytorch-lightning"] = _version("pytorch_lightning")
        # By value: it cannot be imported where raynas is missing.
        cloudpickle.register_pickle_by_value(probing)  # type: ignore[no-untyped-call]  # Ray's own
        try:
            function: Any = ray.remote(probing.probe).options(
                name="raynas.probe",
                num_cpus=0,
                max_retries=1,
                scheduling_strategy=here,
                runtime_env=self._environment,
            )
            cuda = bool(self._resources.num_gpus)
            ref: ray.ObjectRef[Any] = function.remote(versions, place.path, place.code, place.trust, cuda)
        finally:
            cloudpickle.unregister_pickle_by_value(probing)  # type: ignore[no-untyped-call]  # the same
        return ref

    def _hear(self) -> None:
        for node, ref in list(self._asked.items()):
            if not ray.wait([ref], timeout=0)[0]:
                continue
            del self._asked[node]
            try:
                trouble = ray.get(ref)
            except Exception as error:  # its worker does not even start
                trouble = f"runs nothing ({' '.join(str(error).split())[:200]}): look at its log"
            if trouble:
                address = self._there[node]["NodeManagerAddress"]
                self._bad[node] = f"node {node[:8]} ({address}) {trouble}"
                self._note(f"{self._bad[node]}; until then no trial runs on it")
            else:
                self._good.add(node)


def only(nodes: Iterable[str]) -> dict[str, str]:
    """Ray's words for these nodes.

    Without spaces: Ray 2.60 takes one for a part of an id, and ends the process.
    """
    return {LABEL: f"in({','.join(sorted(nodes))})"}


def offer(node: Mapping[str, Any]) -> Mapping[str, float]:
    """What a node has in all, in the words of `Resources`."""
    return {WORDS.get(name, name): amount for name, amount in node["Resources"].items()}


def address(node: Mapping[str, Any]) -> Address:
    """Where a node's raylet listens."""
    return node["NodeManagerAddress"], node["NodeManagerPort"]


def _version(module: str) -> str:
    return str(getattr(sys.modules.get(module), "__version__", ""))
