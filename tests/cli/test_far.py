"""A node that is another machine: it sees nothing of the driver's folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from standing import Standing, processes, session_of, standing

MINE = """
from torch import nn
from raynas import ModelSpace, ValueChoice

class Space(ModelSpace):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, ValueChoice([2, 3, 4, 5, 6, 7, 8, 9], label="width"))

    def forward(self, x):
        return self.first(x)
"""

CONFIG = """
space: inside.Space
evaluator:
  class_path: raynas.FunctionalEvaluator
  init_args: {fn: helpers.judging.judge}
objective: score
strategy: random
max_trials: 4
"""
FILES = {
    "project/inside.py": MINE,
    "project/my.yaml": CONFIG,
    "project/src/helpers/__init__.py": "",
    "project/src/helpers/judging.py": "import beside\ndef judge(model):\n    return {'score': beside.count(model)}",
    "elsewhere/beside.py": "from package.counting import count\n",
    "elsewhere/package/__init__.py": "",
    "elsewhere/package/counting.py": "def count(model):\n    return sum(p.numel() for p in model.parameters())\n",
}


@contextmanager
def node(cluster: Standing, hidden: Path) -> Iterator[None]:
    """A node with two CPUs that sees nothing in a folder."""
    start = f"exec {sys.executable} -m ray.scripts.scripts start --address={cluster.address} --num-cpus=2 --block"
    ports = "--min-worker-port=0 --max-worker-port=0"
    environment = cluster.environment()
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none {hidden} && cd / && {start} {ports}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        for pid, _ in list(processes()):
            if session_of(pid) == process.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_code_in_src_and_outside_the_project_arrives(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this user may not hide a folder from a process")
    hidden = tmp_path / "hidden"
    for name, text in FILES.items():
        path = hidden / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    line = ("search", "my.yaml", "--name", "far", "--storage_path", str(tmp_path / "runs"))
    with standing(0) as cluster, node(cluster, hidden):
        said = subprocess.CompletedProcess("", 2, "", "no node")
        while said.returncode and "no node" in said.stderr and "note: node" not in said.stderr:
            path = os.pathsep.join(filter(None, [str(hidden / "elsewhere"), os.environ.get("PYTHONPATH")]))
            said = subprocess.run(
                [sys.executable, "-m", "raynas", *line],
                env=cluster.environment(RAY_ADDRESS=cluster.address, PYTHONPATH=path),
                cwd=hidden / "project",
                capture_output=True,
                text=True,
                timeout=150,
            )
    assert said.returncode == 0 and "4 trials in " in said.stdout, said
    assert "note:" not in said.stderr, said.stderr
