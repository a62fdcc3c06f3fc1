"""The same model gives the same bytes, whatever the process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import hashlib, warnings
warnings.simplefilter("ignore")
from raynas.pytorch import to_source, trace
from tests.pytorch.test_vision import SMALL
from tests.pytorch.test_zoo import CASES
for name, factory in [*((n, f) for n, (f, _) in SMALL.items()), *((c.name, c.factory) for c in CASES)]:
    graph = trace(factory).freeze()
    print(name, hashlib.sha256((to_source(graph) + graph.to_json() + graph.fingerprint()).encode()).hexdigest())
"""


def test_source_does_not_depend_on_the_hash_seed() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    first, second = (run.stdout.splitlines() for run in runs)
    assert len(first) > 150
    assert [one for one, other in zip(first, second, strict=True) if one != other] == []
