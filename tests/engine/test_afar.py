"""A look at other nodes, tried on a cluster of several."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import ray
from ray.cluster_utils import Cluster
from raynas.engine.ray_engine.afar import LETTERS, is_gone, on_node, own_node
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
added = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
other = next(node["NodeID"] for node in ray.nodes() if node["Resources"].get("CPU"))[:LETTERS]
print("said", is_gone(""), is_gone(own_node()), is_gone(other), on_node(other, own_node) == other)
cluster.remove_node(added, allow_graceful=False)
print("said", is_gone(other), is_gone(own_node()), on_node(other, own_node))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_node_whose_raylet_was_killed_has_gone_before_ray_says_so() -> None:
    environment = {**os.environ, "RAY_ADDRESS": ""}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("said ")]  # Ray prints, too
    assert said == ["said False False False True", "said True False None"], done.stdout + done.stderr
