"""Two starts of one run: the second does not take the run away from the first."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny

from raynas import Experiment, FunctionalEvaluator
from raynas.errors import SearchError
from raynas.experiment.start import Start
from raynas.store import Store

SCRIPT = """
import sys, tiny
from raynas import Experiment, FunctionalEvaluator

folder, log = sys.argv[1:]
evaluator = FunctionalEvaluator(tiny.judge_behind_a_gate, log=log, free=0)
Experiment(
    tiny.Tiny(), evaluator, "random", objective="score", max_trials=3, name="run", storage_path=folder, engine="local"
).run()
"""


def experiment(folder: Path, log: Path, **changes: Any) -> Experiment:
    settings = {"objective": "score", "max_trials": 3, "name": "run", "storage_path": folder, "engine": "local"}
    evaluator = FunctionalEvaluator(tiny.judge_behind_a_gate, log=str(log), free=0)
    return Experiment(tiny.Tiny(), evaluator, "random", **{**settings, **changes})


def test_a_run_that_another_process_searches_without_ray_is_left_to_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    first = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), str(log)], env=environment)
    try:
        limit = time.monotonic() + 120
        while not log.exists():
            assert first.poll() is None and time.monotonic() < limit
            time.sleep(0.05)
        for engine in ("local", "ray"):
            message = rf"run 'run' is searched already, by process {first.pid} on .*: end that process first$"
            with pytest.raises(SearchError, match=message):
                experiment(tmp_path, log, engine=engine).run()
        first.kill()
        first.wait()
        tiny.open_gate(log)
        result = experiment(tmp_path, log).run()
    finally:
        first.kill()
        first.wait()
    assert sum(trial.trained for trial in result.trials) == 3


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="when a process began is told by /proc")
def test_a_process_that_has_only_got_the_number_of_one_that_is_gone_searches_nothing(tmp_path: Path) -> None:
    mine = Start.mine("")
    assert mine.born and mine.own and mine.may_live and not mine.lives_beside
    other = replace(mine, pid=os.getppid(), in_ray=False)
    assert not other.may_live and not other.lives_beside
    assert replace(other, born="").lives_beside
    assert not replace(other, born="", detached=True).lives_beside
    assert not replace(other, born="", host=f"not-{socket.gethostname()}").lives_beside
    log = tmp_path / "log"
    log.touch()
    tiny.open_gate(log)
    experiment(tmp_path, log, max_trials=2).run()
    with Store.open(tmp_path / "run" / "search.db") as store:
        store.new_epoch(other.to_text())
    assert sum(trial.trained for trial in experiment(tmp_path, log).run().trials) == 3
