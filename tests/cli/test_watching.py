"""Others who watch a search hear how it ended, whatever becomes of its Ray at the same moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from command_line import TINY

from raynas.store import Store


def begun(folder: Path, *line: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "raynas", *line],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    said = []
    while words not in (line := process.stdout.readline()):
        assert line, said
        said.append(line)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["Ctrl-C", "the end"])
def test_watchers_are_told_the_end_and_how_far_it_had_come(tmp_path: Path, how: str) -> None:
    log = tmp_path / "log"
    gated = f"{{fn: tiny.judge_behind_a_gate, log: {log}}}"
    text = TINY.replace("engine: local", "engine: ray").replace("{fn: tiny.judge}", gated)
    trials = "500" if how == "Ctrl-C" else "20"
    (tmp_path / "tiny.yaml").write_text(text.replace("max_trials: 6", f"max_trials: {trials}\ndedup: false"))
    line = ("search", "tiny.yaml", "--name", "one")
    processes = [begun(tmp_path, *line)]
    try:
        read_until(processes[0], " running, ")
        processes += [begun(tmp_path, *line), begun(tmp_path, "attach", "one")]
        for watcher, words in zip(processes[1:], ("is searched already", "watching 'one'"), strict=True):
            read_until(watcher, words)
        if how == "Ctrl-C":
            os.killpg(processes[0].pid, signal.SIGINT)
        tiny.open_gate(log)
        said = [process.communicate(timeout=180)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    with Store.open(tmp_path / "runs" / "one" / "search.db", readonly=True) as store:
        done = sum(trial.state.ended for trial in store.trials())
    for process, text in zip(processes, said, strict=True):
        last = text.splitlines()[-1]
        if how == "Ctrl-C":
            what = "interrupted" if process is processes[0] else "somebody has stopped it"
            assert process.returncode == 130 and last.startswith(f"{what} after {done} of 500 trials"), said
        else:
            assert process.returncode == 0 and "\n20 trials" in text, said


@pytest.mark.slow
def test_who_stops_a_search_is_told_its_end_and_a_copy_is_not_that_search(tmp_path: Path) -> None:
    log = tmp_path / "log"
    gated = f"{{fn: tiny.judge_behind_a_gate, log: {log}}}"
    text = TINY.replace("engine: local", "engine: ray").replace("{fn: tiny.judge}", gated)
    (tmp_path / "tiny.yaml").write_text(text.replace("max_trials: 6", "max_trials: 500\ndedup: false"))
    processes = [begun(tmp_path, "search", "tiny.yaml", "--name", "one")]
    try:
        read_until(processes[0], " running, ")
        shutil.copytree(tmp_path / "runs" / "one", tmp_path / "runs" / "copy")
        processes += [begun(tmp_path, "stop", "copy"), begun(tmp_path, "stop", "one")]
        said = processes[1].communicate(timeout=180)[0]
        assert processes[1].returncode == 2 and "nobody searches run 'copy', it was cut off" in said
        read_until(processes[2], "stopping when the running trials have ended")
        tiny.open_gate(log)
        said = processes[2].communicate(timeout=180)[0]
        assert processes[2].returncode == 0 and "run 'one' has ended" in said, said
        assert processes[0].wait(timeout=60) == 130
    finally:
        for process in processes:
            process.kill()
