"""Nodes that lack something: named in a line, and never sent a trial."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, warnings
sys.path[:0] = [{tests!r}, {support!r}]
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={{"num_cpus": 1, "include_dashboard": False}})
bad = cluster.add_node(num_cpus=2, env_vars={{"PYTHONPATH": {bad!r}}}, resources={{"odd": 1}})
good = cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
import tiny
from raynas import Experiment
from raynas.evaluator import FunctionalEvaluator
seen = []
def watch(progress):
    seen.append(progress)
    if progress.slots == 2 and any(str(w.message).startswith("node ") for w in caught):
        tiny.open_gate({log!r})
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = Experiment(
        tiny.Tiny(), FunctionalEvaluator(tiny.judge_behind_a_gate, log={log!r}), strategy="random", objective="score",
        max_trials=24, name="run", storage_path={folder!r},
    ).run(watch)
print("NOTES", [str(w.message) for w in caught if "node" in str(w.message)])
print("STATES", {{str(t.state) for t in result.trials}}, sum(t.attempts for t in result.trials))
print("SLOTS", max(p.slots for p in seen))
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["nothing", "another version"])
def test_a_node_without_torch_or_with_another_one_is_named_and_trains_nothing(tmp_path: Path, what: str) -> None:
    fake = tmp_path / "bad" / "torch" / "__init__.py"
    fake.parent.mkdir(parents=True)
    fake.write_text(
        'raise ModuleNotFoundError("No module named torch")' if what == "nothing" else '__version__ = "1.0"'
    )
    support = Path(__file__).parents[1] / "support"
    places = {"tests": Path(__file__).parent, "support": support, "folder": tmp_path / "runs", "log": tmp_path / "log"}
    texts = {name: str(path) for name, path in places.items()}
    paths = os.pathsep.join([str(tmp_path / "bad"), os.environ["PYTHONPATH"]])
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(**texts, bad=paths))
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=200, cwd=tmp_path
    )
    said = dict(
        line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("NOTES", "STATES", "SLOTS"))
    )
    assert said, done.stdout + done.stderr
    expected = "cannot import torch (ModuleNotFoundError" if what == "nothing" else "has torch 1.0, and this search"
    assert said["NOTES"].count("'node ") == 1 and expected in said["NOTES"], said
    assert said["STATES"] == "{'finished'} 24" and said["SLOTS"] == "2", said
