"""A Ray cluster of several nodes on this machine, in a process of its own that is told what becomes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chaos import MARK, SESSIONS, kill, marked

SCRIPT = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = {}
print(cluster.address, flush=True)
for line in sys.stdin:
    word, name = line.split()
    if word == "add":
        nodes[name] = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
    elif word == "kill":
        nodes[name].kill_raylet(check_alive=False)
    else:
        cluster.remove_node(nodes[name], allow_graceful=True)
    print("done", flush=True)
cluster.shutdown()
"""


class StandingCluster:
    """A head without a CPU; `RAY_ADDRESS` of those who join it is `address`."""

    def __init__(self, mark: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            env={**os.environ, MARK: mark},
        )
        SESSIONS[mark].add(self._process.pid)
        self.address = self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline().strip():
            if line == "done" or line.startswith(("127.", "192.", "10.", "172.")) or line[:1].isdigit():
                return line
        raise AssertionError("the cluster has ended")

    def do(self, word: str, name: str) -> None:
        """«add» a node with one CPU, «kill» its raylet, or «remove» it in order."""
        assert self._process.stdin is not None
        print(word, name, file=self._process.stdin, flush=True)
        assert self._read() == "done"


@contextmanager
def standing(mark: str, *nodes: str) -> Iterator[StandingCluster]:
    """A cluster with these nodes; nothing of it is left after the block."""
    cluster = StandingCluster(mark)
    try:
        for node in nodes:
            cluster.do("add", node)
        yield cluster
    finally:
        for left in marked(mark):
            kill(left)
