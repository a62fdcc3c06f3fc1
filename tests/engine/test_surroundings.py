"""What a trial changes of its process is none of the next one's business."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raynas.engine import Workplace
from raynas.engine.worker import work
from raynas.testing.engine_contract import job
from raynas.trial import Failed, Finished


def change_folder() -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    shutil.rmtree(folder)


def umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def descriptors() -> list[tuple[int, int]]:
    return [(status.st_dev, status.st_ino) for status in map(os.fstat, (0, 1, 2))]


def fewer_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (50, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "folder": (change_folder, os.getcwd),
    "variable": (lambda: os.environ.update(HOME="/nowhere"), lambda: os.environ["HOME"]),
    "no variable": (lambda: os.environ.pop("PATH"), lambda: os.environ.get("PATH")),
    "path": (lambda: sys.path.clear(), lambda: list(sys.path)),
    "streams": (lambda: (sys.stdout.close(), sys.stderr.close()), lambda: (sys.stdout.closed, sys.stderr.closed)),
    "no streams": (lambda: (setattr(sys, "stdout", None), setattr(sys, "stderr", None)), lambda: sys.stdout is None),
    "descriptors": (lambda: (os.close(0), os.close(1), os.close(2)), descriptors),
    "limit": (fewer_files, lambda: resource.getrlimit(resource.RLIMIT_NOFILE)),
    "handler": (lambda: signal.signal(signal.SIGCHLD, print), lambda: signal.getsignal(signal.SIGCHLD)),
    "alarm": (lambda: signal.alarm(999), lambda: signal.getitimer(signal.ITIMER_REAL)[0] > 900),
    "warnings": (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    "umask": (lambda: os.umask(0o777), umask),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "deterministic": (lambda: torch.use_deterministic_algorithms(True), torch.are_deterministic_algorithms_enabled),
    "threads": (lambda: torch.set_num_threads(3), torch.get_num_threads),
}


def change(model: nn.Module, what: str = "", fail: bool = False) -> Mapping[str, float]:
    CHANGES[what][0]()
    if fail:
        raise ArithmeticError
    return {"score": 1.0}


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("what", CHANGES)
def test_everything_is_as_it_was(tmp_path: Path, what: str, fail: bool) -> None:
    look = CHANGES[what][1]
    before = look()
    place = Workplace(str(tmp_path), trust=(__name__,))
    end = work(job(change, 0, what=what, fail=fail), place, lambda event: False)
    assert isinstance(end, Failed if fail else Finished), end
    assert look() == before


def test_what_an_import_adds_stays(tmp_path: Path) -> None:
    from raynas.engine.surroundings import Surroundings

    with Surroundings():
        os.environ["RAYNAS_ADDED"] = "1"
        sys.path.append("/added")
    assert os.environ.pop("RAYNAS_ADDED") == "1" and sys.path.pop() == "/added"


def test_a_limit_that_cannot_be_taken_back_spoils_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from raynas.engine import surroundings

    monkeypatch.setattr(surroundings, "_spoiled", [])
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with surroundings.Surroundings():
        fewer_files()
    assert not surroundings.spoiled()

    def refused(limit: int, to: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    with monkeypatch.context() as patch:
        with surroundings.Surroundings():
            fewer_files()
            patch.setattr(resource, "setrlimit", refused)
        assert surroundings.spoiled()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


FORKED = """
import os, sys
from raynas.engine.surroundings import Surroundings

try:
    with Surroundings():
        child = os.fork()
        if not child:
            {ends}
except BaseException:
    pass
print("after", os.WEXITSTATUS(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize(
    ("ends", "status", "said"),
    [("pass", 0, ""), ("sys.exit(3)", 3, ""), ("sys.exit('enough')", 1, "enough"), ("1 / 0", 1, "ZeroDivisionError")],
)
def test_a_copy_of_the_process_that_comes_back_ends(ends: str, status: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED.format(ends=ends)], capture_output=True, text=True, timeout=120)
    assert done.stdout == f"after {status}\n" and said in done.stderr
