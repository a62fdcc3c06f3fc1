"""A cluster that stays: searches that are left to it, watched from elsewhere, and submitted to it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import TINY
from standing import Standing, standing

from raynas.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Standing]:
    # On a busy machine, the 3 s in which Ray kills a job that is to stop are over before it can say how far it came.
    with standing(RAY_JOB_STOP_WAIT_TIME_S="60") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slow = f"{{fn: tiny.judge_and_tell, log: {tmp_path / 'log'}, seconds: 0.3}}"
    text = TINY.replace("engine: local", "engine: ray").replace("{fn: tiny.judge}", slow)
    (tmp_path / "tiny.yaml").write_text(text)
    return tmp_path


def raynas(cluster: Standing, folder: Path, *line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from raynas.cli import main; sys.exit(main())", *line],
        env=cluster.environment(**environment),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=150,
    )


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.1)


def trained(folder: Path) -> int:
    with Store.open(folder / "search.db", readonly=True) as store:
        return sum(trial.attempts > 0 for trial in store.trials())


def hosts(cluster: Standing) -> list[str]:
    return [command for command in cluster.commands() if command.startswith("ray::Host")]


def test_a_search_is_left_to_a_cluster_watched_and_stopped(cluster: Standing, folder: Path, tmp_path: Path) -> None:
    long = "--max_trials 600 --evaluator.seconds 2 --replicates 20"
    line = ("search", "tiny.yaml", "--name", "left", *long.split())
    said = raynas(cluster, folder, *line, "--detach")
    assert said.returncode == 2 and "RAY_ADDRESS" in said.stderr and "Traceback" not in said.stderr, said
    assert not (folder / "runs").exists()

    said = raynas(cluster, folder, *line, "--detach", RAY_ADDRESS=cluster.address)
    assert said.returncode == 0, said
    assert said.stdout == f"run 'left' goes on in the cluster at {cluster.address}\n"
    assert (folder / "runs" / "left" / "config.yaml").exists()
    wait_until(lambda: trained(folder / "runs" / "left") >= 4)

    said = raynas(cluster, folder, *line, "--detach", RAY_ADDRESS=cluster.address)
    assert said.returncode == 2 and "is searched already, by a detached actor" in said.stderr, said

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for address in (cluster.address, cluster.dashboard):
        said = raynas(cluster, elsewhere, "top", "left", "--address", address)
        assert said.returncode == 0 and "score" in said.stdout, said
        said = raynas(cluster, elsewhere, "status", "left", "--address", address)
        assert said.returncode == 0 and "going on" in said.stdout, said
    said = raynas(cluster, elsewhere, "top", "other", "--address", cluster.address)
    assert said.returncode == 2 and "no search of run 'other' goes on" in said.stderr and "left" in said.stderr, said

    watcher = subprocess.Popen(
        [sys.executable, "-c", "import sys; from raynas.cli import main; sys.exit(main())", "attach", "left"],
        env=cluster.environment(),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watcher.stderr is not None and "watching 'left'" in watcher.stderr.readline()
    said = raynas(cluster, elsewhere, "stop", "left", "--address", cluster.dashboard)
    assert said.returncode == 0 and "run 'left' has ended: it was stopped\n" in said.stdout, said
    assert watcher.wait(60) == 130 and "somebody has stopped it after" in watcher.stderr.read()
    wait_until(lambda: not hosts(cluster))
    said = raynas(cluster, folder, "stop", "left")
    assert said.returncode == 2 and "it has ended (it was stopped)" in said.stderr, said


def test_what_was_left_to_a_cluster_ends_by_itself(cluster: Standing, folder: Path) -> None:
    line = ("search", "tiny.yaml", "--name", "short", "--detach")
    assert raynas(cluster, folder, *line, RAY_ADDRESS=cluster.address).returncode == 0
    said = raynas(cluster, folder, "search", "tiny.yaml", "--name", "short", RAY_ADDRESS=cluster.address)
    assert said.returncode == 0 and "6 trials" in said.stdout, said
    wait_until(lambda: not hosts(cluster))
    assert trained(folder / "runs" / "short") == 6


MINE = """
from torch import nn
from raynas import LayerChoice, ModelSpace, ValueChoice

class Space(ModelSpace):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, ValueChoice([2, 3, 4, 5, 6, 7, 8, 9], label="width"))
        self.act = LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="act")

    def forward(self, x):
        return self.act(self.first(x))
"""

JUDGE = """
import os, time

def judge(model, context, log):
    with open(log, "a") as file:
        file.write(f"{context.trial} {os.getpid()}\\n")
    with open(log) as file:
        earlier = len(file.readlines()) - 1
    while earlier >= 6 and not os.path.exists(log + ".go"):
        time.sleep(0.02)  # a comment
    return {"score": float(sum(p.numel() for p in model.parameters()))}
"""

CONFIG = """
space: inside.Space
evaluator:
  class_path: raynas.FunctionalEvaluator
  init_args: {fn: helpers.judging.judge, log: LOG}
objective: score
strategy: random
max_trials: 14
"""


def begun(log: Path) -> list[int]:
    """The trials that have begun, one after the other."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def test_a_submitted_search_resumes_after_it_was_stopped(cluster: Standing, tmp_path: Path) -> None:
    project, log, runs = tmp_path / "project", tmp_path / "log", tmp_path / "runs"
    (project / "src" / "helpers").mkdir(parents=True)
    (project / "inside.py").write_text(MINE)
    (project / "src" / "helpers" / "__init__.py").touch()
    judging = project / "src" / "helpers" / "judging.py"
    judging.write_text(JUDGE)
    (project / "my.yaml").write_text(CONFIG.replace("LOG", str(log)))
    line = ("search", "--submit", cluster.dashboard, "my.yaml", "--name", "job")

    said = raynas(cluster, project, *line)
    assert said.returncode == 2 and "storage_path 'runs' is relative" in said.stderr, said

    line = (*line, "--storage_path", str(runs))
    first = subprocess.Popen(
        [sys.executable, "-c", "import sys; from raynas.cli import main; sys.exit(main())", *line],
        env=cluster.environment(),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(begun(log)) == 8 or first.poll() is not None)
    assert first.poll() is None, first.communicate()
    stop = [sys.executable, "-m", "ray.scripts.scripts", "job", "stop", "--address", cluster.dashboard]
    (job,) = {word.strip("`") for word in first.stderr.readline().split() if word.startswith("raysubmit_")}  # type: ignore[union-attr]
    subprocess.run([*stop, job], env=cluster.environment(), check=True, capture_output=True, timeout=60)
    out, err = first.communicate(timeout=120)
    assert first.returncode == 143 and "SIGTERM" not in out + err and "Traceback" not in out + err, out + err
    wait_until(lambda: not hosts(cluster) and not [c for c in cluster.commands() if c.startswith("ray::raynas")])
    with Store.open(runs / "job" / "search.db", readonly=True) as store:
        before = {trial.number for trial in store.trials() if trial.trained}
    assert len(before) == 6
    Path(f"{log}.go").touch()
    time.sleep(1.5)
    assert len(begun(log)) == 8, "a trial began after the job was stopped"

    judging.write_text(JUDGE.replace("# a comment", "# another comment, and longer"))
    said = raynas(cluster, project, *line)
    assert said.returncode == 0 and "14 trials in " in said.stdout, said
    with Store.open(runs / "job" / "search.db", readonly=True) as store:
        trials = store.trials()
    assert sum(trial.trained for trial in trials) == 14
    assert len({trial.key.code for trial in trials}) == 1, "a comment has changed the digest of the code"
    times = Counter(begun(log))
    assert all(times[number] == 1 for number in before), "what had ended was trained again"
    assert len(times) == 14 and times.total() == 14 + 2, "what was cut off is trained again, and nothing else"


ASKED = """
import ray
from ray.autoscaler._private.constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.experimental.internal_kv import _internal_kv_get
ray.init("auto", log_to_driver=False, logging_level="ERROR")
print((_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or b"[]").decode(), ray.available_resources().get("CPU"))
"""


def asked(cluster: Standing) -> str:
    """What the autoscaler is asked for, and how many CPUs are free."""
    line = [sys.executable, "-c", ASKED]
    environment = cluster.environment(RAY_ADDRESS=cluster.address)
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60).stdout.strip()


def test_a_search_that_is_submitted_in_rays_own_words_leaves_nothing_when_it_is_stopped(
    cluster: Standing, folder: Path
) -> None:
    log, runs = folder / "log", folder / "elsewhere"
    ray = [sys.executable, "-m", "ray.scripts.scripts", "job"]
    words = ("raynas", "search", "tiny.yaml", "--name", "own", "--storage_path", str(runs), "--max_concurrent", "2")
    words += ("--replicates", "20", "--evaluator.seconds", "1")
    submit = [*ray, "submit", "--address", cluster.dashboard, "--working-dir", ".", "--", *words]
    before = set(cluster.commands())

    def submitted(*more: str) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen([*submit, *more], env=cluster.environment(), cwd=folder, text=True, **streams)  # type: ignore[call-overload, no-any-return]

    first = submitted("--max_trials", "600")
    try:
        wait_until(lambda: len(begun(log)) >= 4 or first.poll() is not None)
        assert first.poll() is None, first.communicate()
        wait_until(lambda: asked(cluster) == '[{"CPU": 1}, {"CPU": 1}] None')  # between two trials one may be free
        (job,) = {job for job in listed(cluster) if "--name own" in job}
        stop = [*ray, "stop", "--address", cluster.dashboard, job.split()[0]]
        subprocess.run(stop, env=cluster.environment(), check=True, capture_output=True, timeout=60)
        out, _ = first.communicate(timeout=120)
    finally:
        first.kill()
    assert "interrupted after" in out and "Traceback" not in out, out
    wait_until(lambda: not hosts(cluster) and not [c for c in cluster.commands() if c.startswith("ray::raynas")])
    wait_until(lambda: not [c for c in cluster.commands() if "--name own" in c and c not in before])
    wait_until(lambda: asked(cluster) == "[] 2.0")  # nothing is taken, or asked for
    earlier = begun(log)
    with Store.open(runs / "own" / "search.db", readonly=True) as store:
        ended = {trial.number for trial in store.trials() if trial.trained}

    again = submitted("--max_trials", str(len(ended) + 1))
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0 and f"{len(ended) + 1} trials in " in out, out
    (more,) = begun(log)[len(earlier) :]
    assert more not in ended, "what had ended was trained again"


LISTED = """
from ray.job_submission import JobSubmissionClient
for job in JobSubmissionClient(ADDRESS).list_jobs():
    print(job.submission_id, job.entrypoint)
"""


def listed(cluster: Standing) -> list[str]:
    """The id and the command of each job."""
    line = [sys.executable, "-c", LISTED.replace("ADDRESS", repr(cluster.dashboard))]
    done = subprocess.run(line, env=cluster.environment(), capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()
