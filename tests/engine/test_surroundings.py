"""What a trial changes of its process is none of the next one's business."""

from __future__ import annotations

import os
import shutil
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


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "folder": (change_folder, os.getcwd),
    "variable": (lambda: os.environ.update(HOME="/nowhere"), lambda: os.environ["HOME"]),
    "no variable": (lambda: os.environ.pop("PATH"), lambda: os.environ.get("PATH")),
    "path": (lambda: sys.path.clear(), lambda: list(sys.path)),
    "streams": (lambda: (sys.stdout.close(), sys.stderr.close()), lambda: (sys.stdout.closed, sys.stderr.closed)),
    "no streams": (lambda: (setattr(sys, "stdout", None), setattr(sys, "stderr", None)), lambda: sys.stdout is None),
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
