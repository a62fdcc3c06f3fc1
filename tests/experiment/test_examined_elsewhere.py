"""Candidates that take long to examine: others help the planner, and nothing else is different."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import examining
import pytest
import torch

from raynas import Experiment, FunctionalEvaluator, Result, TrialState
from raynas.experiment.place import place

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {support!r}]
import ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
import examining
from test_examined_elsewhere import searched
from pathlib import Path
searched(Path({folder!r}), examining.Slowly({log!r}, helped=True), resources={{"num_cpus": 0.5}})
ray.shutdown()
"""


def searched(folder: Path, limit: Any, **changes: Any) -> Result:
    evaluator = FunctionalEvaluator(examining.size, example_inputs=(torch.zeros(2, 6),))
    settings = {"strategy": "grid", "objective": "value", "name": "run", "constraints": {"limit": limit}, **changes}
    return Experiment(examining.Wide(), evaluator, storage_path=folder, **settings).run()


def told(result: Result) -> list[Any]:
    """What became of each sample, and why; which of two equal ones was trained is a matter of time."""
    found = [(sorted(t.sample.items()), t.state, dict(t.metrics), t.message, t.key.fingerprint) for t in result.trials]
    return sorted(found, key=str)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """By the planner alone, in one process."""
    found = told(searched(tmp_path_factory.mktemp("here"), examining.at_most_500, engine="local"))
    messages = [message for _, state, _, message, _ in found if state is TrialState.INFEASIBLE]
    assert len(found) == 400 and len(messages) > 200
    assert any("self.head(" in m and "head='needs 8'" in m for m in messages)
    assert any(m.startswith("limit: ") for m in messages)
    return found


def shares(log: Path) -> tuple[int, int]:
    """How many were examined by the planner, which is the first, and how many by others."""
    lines = log.read_text().split() if log.exists() else [""]
    own = Counter(lines)[lines[0]]
    return own, len(lines) - own


@pytest.mark.ray
def test_others_help_and_find_the_same(tmp_path: Path, expected: list[Any]) -> None:
    log = tmp_path / "log"
    result = searched(tmp_path, examining.Slowly(str(log), helped=True))
    assert told(result) == expected
    assert [t.number for t in result.trials] == list(range(400))
    assert min(shares(log)) > 10, "each has done a part"


@pytest.mark.ray
def test_a_helper_that_dies_costs_nothing(tmp_path: Path, expected: list[Any]) -> None:
    log = tmp_path / "log"
    result = searched(tmp_path, examining.Slowly(str(log), deadly=True, helped=True))
    assert (tmp_path / "dead").exists() and told(result) == expected
    assert max(t.attempts for t in result.trials) == 1, "no trial has lost a worker"
    assert shares(log)[1] > 0, "another one has come"


@pytest.mark.ray
def test_one_worker_is_asked_for_as_if_nobody_could_help(tmp_path: Path) -> None:
    """Each proposal of an evolution depends on what became of the one before."""
    settings: dict[str, Any] = {
        "strategy": "regularized_evolution",
        "strategy_arguments": {"population_size": 6, "tournament_size": 3},
        "max_trials": 40,
        "resources": {"num_cpus": 2},
    }
    log = tmp_path / "log"
    here = searched(tmp_path / "here", examining.at_most_500, engine="local", **settings)
    found = searched(tmp_path, examining.Slowly(str(log)), **settings)
    assert [(t.sample, t.state, t.message) for t in found.trials] == [
        (t.sample, t.state, t.message) for t in here.trials
    ]
    assert shares(log)[1] == 0


def test_on_one_cpu_killed_in_the_middle_and_begun_again(tmp_path: Path, expected: list[Any]) -> None:
    log, script = tmp_path / "log", tmp_path / "script.py"
    support = Path(__file__).parents[1] / "support"
    script.write_text(
        SCRIPT.format(tests=str(Path(__file__).parent), support=str(support), folder=str(tmp_path), log=str(log))
    )
    first = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, start_new_session=True)
    until = time.monotonic() + 120
    while shares(log)[1] < 5:
        assert time.monotonic() < until and first.poll() is None, "nobody helps"
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = len(log.read_text().split())
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, timeout=200, check=True)
    result = Result(place("run", tmp_path, None, False))
    assert told(result) == expected and [t.number for t in result.trials] == list(range(400))
    assert 5 < before < len(log.read_text().split()) < 400
