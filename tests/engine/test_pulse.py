"""Nodes whose end Ray has not heard of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from raynas.engine.ray_engine.pulse import Pulse


def at_once(function: Any, *args: Any) -> None:
    function(*args)


def test_a_node_has_gone_when_nobody_listens_any_more_where_it_answered_before() -> None:
    rung: list[bool] = []
    pulse = Pulse(at_once, lambda: rung.append(True))
    with socket.create_server(("127.0.0.1", 0)) as raylet:
        nodes = {"a": raylet.getsockname()[:2]}
        pulse.feel(nodes)
        assert not pulse.gone and not rung
    for _ in range(2):
        pulse.feel(nodes)
        assert pulse.gone == {"a"} and rung == [True]


def test_a_node_that_answers_again_was_only_out_of_reach() -> None:
    rung: list[bool] = []
    pulse = Pulse(at_once, lambda: rung.append(True))
    with socket.create_server(("127.0.0.1", 0)) as raylet:
        nodes = {"a": raylet.getsockname()[:2]}
        pulse.feel(nodes)
    pulse.feel(nodes)
    assert pulse.gone == {"a"}
    with socket.create_server(nodes["a"]):
        pulse.feel({})
        assert pulse.gone == {"a"}
        pulse.feel(nodes)
        assert not pulse.gone and rung == [True, True]


def test_a_node_that_has_never_answered_is_left_to_ray() -> None:
    pulse = Pulse(at_once, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[:2]
    for _ in range(2):
        pulse.feel({"a": free})
    assert not pulse.gone


SCRIPT = """
import faulthandler, os, signal, sys, warnings
faulthandler.dump_traceback_later(150)
sys.path[:0] = [{support!r}]
import ray
from ray.cluster_utils import Cluster
never = {{"health_check_failure_threshold": 100_000}}
cluster = Cluster(
    initialize_head=True, head_node_args={{"num_cpus": 0, "include_dashboard": False, "_system_config": never}}
)
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
ray.init(address=cluster.address, log_to_driver=False)
import tiny
from raynas import Experiment
from raynas.evaluator import FunctionalEvaluator
killed = []
def watch(progress):
    print(progress.done, progress.running, progress.slots, flush=True)  # of use if it hangs
    if progress.slots == 2 and not killed:  # as soon as both count
        killed.append(True)
        nodes[0].kill_raylet(check_alive=False)
        tiny.open_gate({log!r})
result = Experiment(
    tiny.Tiny(), FunctionalEvaluator(tiny.judge_behind_a_gate, log={log!r}, free=8, seconds=0.4),
    strategy="random", objective="score", max_trials=24, name="run", storage_path={folder!r},
).run(watch)
states = {{str(t.state) for t in result.trials}}
print("STATES", killed, states, sum(t.attempts for t in result.trials) <= 26, flush=True)
print("ALIVE", sum(node["Alive"] for node in ray.nodes()), flush=True)
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.slow
def test_a_search_goes_on_without_a_node_of_whose_end_ray_never_hears(tmp_path: Path) -> None:
    support = str(Path(__file__).parents[1] / "support")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(support=support, folder=str(tmp_path / "runs"), log=str(tmp_path / "log")))
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    output = tmp_path / "output"  # which is kept also where it hangs
    with output.open("w") as file, suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, str(script)], env=environment, stdout=file, stderr=file, timeout=200, cwd=tmp_path
        )
    text = output.read_text()
    said = dict(line.split(" ", 1) for line in text.splitlines() if line.startswith(("STATES", "ALIVE")))
    assert said == {"STATES": "[True] {'finished'} True", "ALIVE": "3"}, text
