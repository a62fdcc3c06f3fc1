"""A large data set in a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "two_nodes.py"


@pytest.mark.slow
def test_a_large_data_set_moves_once_to_each_node_and_its_workers_share_it() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["workers"] == 2 and found["sums"] == [(200 << 20) // 4096]
    assert all(200 << 20 <= written < 210 << 20 for written in found["written"]), found
