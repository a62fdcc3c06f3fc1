"""Experiments in Ray: the search in its actor, trials in workers, and accidents."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tiny

from raynas import ConfigError, Experiment, Result, TrialState
from raynas.errors import Notice, ResourceError, SearchError
from raynas.evaluator import FunctionalEvaluator
from raynas.search import Progress
from raynas.store import Store
from raynas.trial import Cause

ONE_WORKER = {"num_cpus": 2}
"""All that the tests' Ray has, for each trial: so there is one worker."""


ALL = {"num_cpus": os.cpu_count() or 1}
"""The same in a Ray of its own."""


def experiment(
    folder: Path, function: Any = tiny.judge, arguments: dict[str, Any] | None = None, **changes: Any
) -> Experiment:
    settings: dict[str, Any] = {
        "strategy": "regularized_evolution",
        "strategy_arguments": {"population_size": 5, "tournament_size": 2},
        "objective": "score",
        "max_trials": 12,
        "name": "run",
        "storage_path": folder,
    }
    return Experiment(tiny.Tiny(), FunctionalEvaluator(function, **(arguments or {})), **{**settings, **changes})


def told(result: Result) -> list[Any]:
    return [(t.number, dict(t.sample), t.state, dict(t.metrics), t.key, t.order) for t in result.trials]


def trainings(log: Path) -> Counter[int]:
    """How often each trial was begun."""
    return Counter(int(line.split()[0]) for line in log.read_text().splitlines()) if log.exists() else Counter()


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


@pytest.mark.ray
def test_with_one_worker_ray_gives_what_the_calling_process_gives(tmp_path: Path) -> None:
    seen: list[Progress] = []
    in_ray = experiment(tmp_path / "ray", resources=ONE_WORKER).run(seen.append)
    here = experiment(tmp_path / "here", engine="local", resources=ONE_WORKER).run()
    assert told(in_ray) == told(here)
    assert {t.attempts for t in in_ray.trials} == {1}
    assert seen[-1].done == 12 and seen[-1].slots == 1 and seen[-1].ended
    in_ray.best.load()


@pytest.mark.ray
def test_two_workers_work_side_by_side_and_nothing_is_trained_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = experiment(tmp_path, tiny.judge_together, {"log": str(log)}, max_trials=20).run()
    assert sum(t.trained for t in result.trials) == 20
    assert set(trainings(log).values()) == {1} and len(trainings(log)) == 20
    assert len({line.split()[2] for line in log.read_text().splitlines()}) == 2, "two warm workers"


@pytest.mark.ray
def test_reports_are_judged_on_the_way(tmp_path: Path) -> None:
    result = experiment(tmp_path, tiny.judge_with_reports, stopper=tiny.StopBelow(0.05), max_trials=20).run()
    assert {t.state for t in result.trials} == {TrialState.STOPPED, TrialState.FINISHED}
    assert all(len(t.reports) == (2 if t.state is TrialState.STOPPED else 4) for t in result.trials if t.trained)


@pytest.mark.ray
def test_errors_reach_the_driver(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'accuracy' is not among"):
        experiment(tmp_path, objective="accuracy").run()
    with pytest.raises(SearchError, match="all failed with KeyError: 'x'") as caught:
        experiment(tmp_path, tiny.always_fail, name="fails").run()
    assert 'raise KeyError("x")' in caught.value.__notes__[0]
    with pytest.raises(ResourceError, match="there is: num_cpus=2"):
        experiment(tmp_path, name="large", resources={"num_cpus": 64}).run()
    result = experiment(tmp_path, name="large").run()
    assert len(result.trials) == 12, "the refused start left a run that can go on"


@pytest.mark.ray
def test_a_worker_that_dies_costs_an_attempt_and_a_candidate_that_kills_it_runs_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = experiment(
        tmp_path, tiny.judge_or_die, {"log": str(log)}, max_trials=8, strategy="random", strategy_arguments={}
    ).run()
    deadly = [t for t in result.trials if t.sample["act"] == "tanh"]
    assert deadly and all(t.state is TrialState.FAILED and t.cause is Cause.WORKER_DIED for t in deadly)
    assert all(trainings(log)[t.number] == 2 and t.attempts == 2 for t in deadly)
    assert all(t.state is TrialState.FINISHED for t in result.trials if t.sample["act"] != "tanh")


@pytest.mark.ray
def test_an_actor_that_is_lost_is_made_again_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    other = tmp_path / "other"
    tiny.open_gate(other)
    settings: dict[str, Any] = {"resources": ONE_WORKER}
    whole = experiment(
        tmp_path / "whole", tiny.judge_behind_a_gate, {"log": str(other)}, engine="local", **settings
    ).run()

    def kill() -> None:
        wait_until(lambda: len(trainings(log)) == 5)
        for process, command in processes():
            if command.startswith("ray::Host") and _below_this_one(process):
                os.kill(process, signal.SIGKILL)
        tiny.open_gate(log)

    killer = threading.Thread(target=kill)
    killer.start()
    result = experiment(tmp_path, tiny.judge_behind_a_gate, {"log": str(log)}, **settings).run()
    killer.join()
    with Store.open(result.place.store, readonly=True) as store:
        epoch = store.current_epoch()
        assert epoch is not None and epoch.number == 3, "the actor was not made again"
    assert [dict(t.sample) for t in result.trials] == [dict(t.sample) for t in whole.trials]
    assert [dict(t.metrics) for t in result.trials] == [dict(t.metrics) for t in whole.trials]
    assert len([number for number, count in trainings(log).items() if count > 1]) <= 1


@pytest.mark.ray
def test_a_second_start_watches_the_first_one_to_the_same_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    results: list[Result] = []

    def start() -> Experiment:
        return experiment(tmp_path, tiny.judge_behind_a_gate, {"log": str(log)}, max_trials=20)

    def first() -> None:
        results.append(start().run())

    thread = threading.Thread(target=first)
    thread.start()
    wait_until(lambda: len(trainings(log)) >= 4)
    seen: list[Progress] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        tiny.open_gate(log)

    second = start()
    with pytest.warns(Notice, match=f"is searched already, by process {os.getpid()} on .*: this only watches it"):
        result = second.run(watch)
    thread.join(60)
    assert told(result) == told(results[0]) and not second.watching
    assert seen[0].done < 20 and seen[-1].done == 20 and seen[-1].ended
    assert len(trainings(log)) == 20 and set(trainings(log).values()) == {1}


@pytest.mark.ray
def test_a_second_start_within_other_limits_is_told_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = {"log": str(log)}
    thread = threading.Thread(target=lambda: experiment(tmp_path, tiny.judge_behind_a_gate, arguments).run())
    thread.start()
    wait_until(lambda: len(trainings(log)) >= 4)
    with pytest.raises(
        SearchError, match=r"searched already, .*with another max_trials: leave .* or `raynas stop run`"
    ):
        experiment(tmp_path, tiny.judge_behind_a_gate, arguments, max_trials=13).run()
    tiny.open_gate(log)
    thread.join(60)
    assert len(trainings(log)) == 12


def processes() -> Iterator[tuple[int, str]]:
    """Every process, with its command."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                yield int(path.name), (path / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_in_ray import experiment, tiny
folder = Path({folder!r})
arguments = {{"log": str(folder / "log")}}
experiment(folder, tiny.judge_behind_a_gate, arguments, resources={resources!r}, max_trials=40).run()
"""


@contextmanager
def driver(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that searches, with one worker in a Ray of its own; the fifth trial waits for the gate."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder), resources=ALL))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.ray
def test_after_kill_9_of_the_driver_it_goes_on_and_nothing_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with driver(tmp_path) as process:
        wait_until(lambda: len(trainings(log)) == 5 or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        process.kill()
        process.wait()
        wait_until(lambda: not [name for pid, name in processes() if name and _session(pid) == process.pid])
    before = {t.number: t for t in experiment(tmp_path).result().trials if t.state.ended}
    assert len(before) == 4
    other = tmp_path / "other"
    for each in (log, other):
        tiny.open_gate(each)
    settings: dict[str, Any] = {"resources": ONE_WORKER, "max_trials": 40}
    result = experiment(tmp_path, tiny.judge_behind_a_gate, {"log": str(log)}, **settings).run()
    whole = experiment(
        tmp_path / "whole", tiny.judge_behind_a_gate, {"log": str(other)}, engine="local", **settings
    ).run()
    assert [dict(t.sample) for t in result.trials] == [dict(t.sample) for t in whole.trials]
    assert [dict(t.metrics) for t in result.trials] == [dict(t.metrics) for t in whole.trials]
    assert all(result.trials[number] == trial for number, trial in before.items()), "what had ended was touched"
    repeated = {number: count for number, count in trainings(log).items() if count > 1}
    assert len(repeated) <= 1 and all(number not in before for number in repeated)


@pytest.mark.slow
@pytest.mark.ray
def test_what_is_asked_of_the_autoscaler_is_taken_back_also_after_an_error(tmp_path: Path) -> None:
    seen: list[Any] = []
    slowly = {"seconds": 0.5}
    experiment(tmp_path, tiny.judge_slowly, slowly, max_concurrent=3, max_trials=4, strategy_arguments={}).run(
        lambda _: seen.append(requested())
    )
    assert [{"CPU": 1}] * 3 in seen and requested() == []
    seen.clear()
    with pytest.raises(SearchError, match="all failed"):
        experiment(tmp_path, tiny.always_fail_slowly, name="fails", max_concurrent=2).run(
            lambda _: seen.append(requested())
        )
    assert [{"CPU": 1}] * 2 in seen and requested() == []


def requested() -> Any:
    """What Ray's autoscaler is asked for."""
    from ray.autoscaler._private.constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
    from ray.experimental.internal_kv import _internal_kv_get

    return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or "[]")


@pytest.mark.ray
@pytest.mark.slow
def test_a_second_process_watches_and_goes_on_when_the_first_one_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with driver(tmp_path) as first:
        wait_until(lambda: len(trainings(log)) == 5 or first.poll() is not None)
        assert first.poll() is None, first.communicate()[0]
        with driver(tmp_path) as second:
            said = second.stdout.readline() if second.stdout else ""
            assert f"is searched already, by process {first.pid} on" in said, said
            first.kill()
            first.wait()
            tiny.open_gate(log)
            rest, _ = second.communicate(timeout=120)
        assert second.returncode == 0, said + rest
    trials = experiment(tmp_path).result().trials
    assert sum(t.trained for t in trials) == 40
    assert len([number for number, count in trainings(log).items() if count > 1]) <= 1


@pytest.mark.ray
@pytest.mark.slow
def test_ctrl_c_of_a_watching_process_leaves_the_search_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with driver(tmp_path) as first:
        wait_until(lambda: len(trainings(log)) == 5 or first.poll() is not None)
        with driver(tmp_path) as second:
            said = second.stdout.readline() if second.stdout else ""
            assert f"is searched already, by process {first.pid} on" in said, said
            os.killpg(second.pid, signal.SIGINT)
            second.communicate(timeout=120)
        assert second.returncode != 0 and first.poll() is None
        tiny.open_gate(log)
        output, _ = first.communicate(timeout=120)
    assert first.returncode == 0, output
    assert set(trainings(log).values()) == {1} and len(trainings(log)) == 40


@pytest.mark.ray
@pytest.mark.slow
def test_sigterm_ends_at_once_quietly_and_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with driver(tmp_path) as process:
        wait_until(lambda: len(trainings(log)) == 5 or process.poll() is not None)
        process.terminate()
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 143 and not output, output
    trials = experiment(tmp_path).result().trials
    assert not [t for t in trials if t.state is TrialState.RUNNING]
    wait_until(lambda: not [command for pid, command in processes() if _session(pid) == process.pid])


@pytest.mark.ray
@pytest.mark.slow
def test_ctrl_c_lets_what_runs_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with driver(tmp_path) as process:
        wait_until(lambda: len(trainings(log)) == 5 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(2)  # Ray looks for signals once in a second
        tiny.open_gate(log)
        output, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and "KeyboardInterrupt" in output, output
    trials = experiment(tmp_path).result().trials
    ended = {t.number for t in trials if t.state.ended}
    assert not [t for t in trials if t.state is TrialState.RUNNING]
    assert ended == set(trainings(log)), "what ran has ended"
    wait_until(lambda: not [command for pid, command in processes() if _session(pid) == process.pid])


def _below_this_one(pid: int) -> bool:
    """Whether a process was started by this one or by what it started: a search in the same terminal is another's."""
    while pid > 1 and pid != os.getpid():
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return pid == os.getpid()


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


MAIN = """
import torch
from torch import nn
import raynas
from raynas import LayerChoice, ModelSpace, basic_unit
from raynas.evaluator import FunctionalEvaluator

FACTOR = 3.0

def helper(x):
    return x * FACTOR

@basic_unit
class Mine(nn.Module):
    def forward(self, x):
        return helper(x)

class Space(ModelSpace):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.act = LayerChoice({{"mine": Mine(), "relu": nn.ReLU()}}, label="act")

    def forward(self, x):
        return self.act(self.first(x))

class First(raynas.Strategy):
    def __init__(self, last=2):
        self.last = last

    def ask(self, space, history, rng):
        samples = list(space.grid())[: self.last]
        return samples[len(history)] if len(history) < len(samples) else None

def judge(model):
    return {{"score": float(any(type(m).__name__ == "Mine" for m in model.modules()))}}

if __name__ == "__main__":
    result = raynas.Experiment(
        Space(), FunctionalEvaluator(judge), First(), objective="score", name="main", storage_path={folder!r}
    ).run()
    print("RESULT", dict(result.best.sample), len(result.trials), type(result.best.load()).__name__)
"""


@pytest.mark.ray
def test_a_space_an_evaluator_and_a_strategy_of_main_work(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(MAIN.format(folder=str(tmp_path / "runs")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert "RESULT {'act': 'mine'} 2 Model" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1, f"it chatters: {done.stdout}"
    notice = "Notice: fn (function, "
    assert done.stderr.count("\n") <= 2 and (not done.stderr or notice in done.stderr), f"it chatters: {done.stderr}"
