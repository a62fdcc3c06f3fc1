"""A cluster without a single worker, whose autoscaler makes some when they are asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from autoscaled import autoscaled
from command_line import TINY
from standing import Standing


def raylets(cluster: Standing) -> int:
    return sum("/raylet/raylet " in command for command in cluster.commands())


@pytest.mark.slow
def test_a_search_brings_the_first_node_and_leaves_none(tmp_path: Path) -> None:
    slow = "{fn: tiny.judge_slowly, seconds: 0.3}"
    text = TINY.replace("engine: local", "engine: ray").replace("{fn: tiny.judge}", slow)
    (tmp_path / "tiny.yaml").write_text(text)
    with autoscaled(tmp_path) as cluster:
        said = subprocess.run(
            [sys.executable, "-m", "raynas", "search", "tiny.yaml", "--name", "run"],
            env=cluster.environment(RAY_ADDRESS=cluster.address),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert said.returncode == 0 and "6 trials in 0:" in said.stdout, said
        assert said.stderr.count("waiting for the cluster's autoscaler") == 1, said.stderr
        assert said.stderr.count("note: ") == 1, said.stderr
        assert raylets(cluster) == 2, "one is enough for one trial, which is all that is asked for"
        limit = time.monotonic() + 60
        while raylets(cluster) > 1:
            assert time.monotonic() < limit, "something is still asked for"
            time.sleep(0.2)
