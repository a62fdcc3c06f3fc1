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
        search = subprocess.Popen(
            [sys.executable, "-m", "raynas", "search", "tiny.yaml", "--name", "run"],
            env=cluster.environment(RAY_ADDRESS=cluster.address),
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        most = before = 0
        while search.poll() is None:  # an idle node goes so soon that there may be none at the end
            now = raylets(cluster)
            most, before = max(most, min(before, now)), now  # what a raylet forks has its name for a moment
            time.sleep(0.1)
        out, err = search.communicate()
        assert search.returncode == 0 and "6 trials in " in out, out + err
        assert err.count("waiting for the cluster's autoscaler") == 1, err
        assert err.count("note: ") == 1, err
        assert most == 2, "one is enough for one trial, which is all that is asked for"
        limit = time.monotonic() + 60
        while raylets(cluster) > 1:
            assert time.monotonic() < limit, "something is still asked for"
            time.sleep(0.2)
