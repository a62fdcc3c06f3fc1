"""A program: two nodes, a large data set on the first, workers on the second; prints what moved, as JSON."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy
import ray
from ray._private.internal_api import node_stats
from ray.cluster_utils import Cluster

from raynas.engine import Workplace
from raynas.engine.ray_engine.stowed import Stowed

MEGABYTES = 200


def created(node: dict[str, Any]) -> int:
    """Bytes that have ever been written into this node's object store."""
    stats = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], include_memory_info=False)
    return int(stats.store_stats.cumulative_created_bytes)


@ray.remote(num_cpus=1, max_retries=0)
def read(crate: list[ray.ObjectRef[Stowed]]) -> tuple[int, int]:
    place = ray.get(crate[0]).unpacked()
    time.sleep(2)  # so that both workers are needed
    return os.getpid(), int(numpy.frombuffer(place.attachments["data"], dtype=numpy.uint8)[::4096].sum())


def main() -> None:
    store = 400 << 20
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": store})
    cluster.add_node(num_cpus=2, object_store_memory=store)
    ray.init(address=cluster.address, log_to_driver=False)
    data = numpy.ones(MEGABYTES << 20, dtype=numpy.uint8)
    crate = [ray.put(Stowed.of(Workplace("", attachments={"data": memoryview(data)})))]
    answers = ray.get([read.remote(crate) for _ in range(6)])
    written = {node["Resources"].get("CPU", 0.0): created(node) for node in ray.nodes()}
    print(
        json.dumps(
            {
                "workers": len({pid for pid, _ in answers}),
                "sums": sorted({s for _, s in answers}),
                "written": [written[0.0], written[2.0]],
            }
        )
    )
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
