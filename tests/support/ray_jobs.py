"""What jobs in Ray's workers do in the tests."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import ray
import torch
from torch import nn

from raynas import History, Stopper, Trial
from raynas.engine.memory import held
from raynas.engine.ray_engine import journal
from raynas.evaluator import Context


def die(model: nn.Module) -> Mapping[str, float]:
    os._exit(1)


def killed(model: nn.Module) -> Mapping[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def who(model: nn.Module) -> Mapping[str, float]:
    return {"pid": os.getpid(), "threads": torch.get_num_threads()}


def meet(model: nn.Module, context: Context, folder: str = "", others: int = 0) -> Mapping[str, float]:
    """Waits until so many trials run at the same time."""
    (Path(folder) / str(context.trial)).touch()
    limit = time.monotonic() + 60
    while len(list(Path(folder).iterdir())) < others:
        if time.monotonic() > limit:
            raise TimeoutError("the others did not come")
        time.sleep(0.01)
    return {"score": 1.0}


def where(model: nn.Module, context: Context) -> Mapping[str, float]:
    return {"cpu": float(context.device == "cpu")}


def from_main(model: nn.Module) -> Mapping[str, float]:
    import __main__

    return {"score": __main__.travelled()}


def note(
    model: nn.Module,
    context: Context,
    log: str = "",
    deadly: int = -1,
    hanging: int = -1,
    frozen: int = -1,
    talking: int = -1,
) -> Mapping[str, float]:
    """Leaves a line for each attempt; one trial takes its worker with it, one never ends, one reports.

    The frozen one does not end either, and lets no other thread of its process do anything in Python.
    """
    with open(log, "a") as file:
        file.write(f"{context.trial} {os.getpid()}\n")
    if context.trial == deadly:
        os._exit(1)
    if context.trial == hanging:
        time.sleep(600)
    if context.trial == frozen:
        ctypes.PyDLL(None).sleep(600)
    if context.trial == talking:
        for step in range(3):
            context.report({"score": 0.1 * step}, step)
    return {"score": 1.0}


def relayed(
    model: nn.Module, context: Context, log: str = "", deadly: int = -1, hanging: int = -1, raising: int = -1
) -> Mapping[str, float]:
    """Leaves a line for each attempt, with the task that it is in; two of them make a task."""
    with open(log, "a") as file:
        file.write(f"{context.trial} {os.getpid()} {ray.get_runtime_context().get_task_id()}\n")
    time.sleep(0.03)
    if context.trial == deadly:
        os._exit(1)
    if context.trial == hanging:
        time.sleep(600)
    if context.trial == raising:
        raise ValueError("an honest failure")
    return {"score": 1.0}


def talk_and_die(model: nn.Module, context: Context, how: str = "exit") -> Mapping[str, float]:
    """Says a good deal, on both ways and past Python, and takes its process with it."""
    print("\n".join(f"out {number} of trial {context.trial}" for number in range(200)))
    print("a word of warning", file=sys.stderr)
    os.write(1, b"written past Python\n")
    if how == "segfault":
        ctypes.string_at(0)
    os._exit(3)


def tell_and_hang(model: nn.Module, context: Context, log: str = "", hanging: int = -1) -> Mapping[str, float]:
    """One trial says something, reports, and never ends."""
    note(model, context, log)
    if context.trial == hanging:
        print("words before it hangs")
        context.report({"score": 0.0}, 0)
        time.sleep(600)
    return {"score": 1.0}


def leave(model: nn.Module, context: Context, log: str = "", leaving: int = -1) -> Mapping[str, float]:
    """One trial ends in a way that is no failure of a function."""
    note(model, context, log)
    if context.trial == leaving:
        raise asyncio.CancelledError
    return {"score": 1.0}


def spoil(model: nn.Module, context: Context, log: str = "", deadly: int = -1) -> Mapping[str, float]:
    """One trial takes its worker with it, whose journal then holds what cannot be read."""
    note(model, context, log)
    if context.trial == deadly:
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if Path(os.readlink(f"/proc/self/fd/{number}")).parent.name == journal.FOLDER:
                    os.write(int(number), pickle.dumps([{"x": "y" * 300}])[:150] + pickle.dumps([1.5] * 300))
        os._exit(1)
    return {"score": 1.0}


LEAKED: list[bytes] = []


def leak(model: nn.Module, context: Context, megabytes: int = 1) -> Mapping[str, float]:
    """Leaves something in its process's memory."""
    before = held() / 2**20
    LEAKED.append(b"x" * (megabytes * 2**20))
    return {"pid": os.getpid(), "before": before}


def report_twice(model: nn.Module, context: Context) -> Mapping[str, float]:
    for step in range(2):
        context.report({"score": float(step)}, step)
    return {"score": 1.0}


def report_from(model: nn.Module, context: Context) -> Mapping[str, float]:
    context.report({"score": 0.0}, 0)
    return {"pid": os.getpid()}


class StopSeventh(Stopper):
    """Ends every seventh trial with its first report."""

    def should_stop(self, trial: Trial, history: History) -> bool:
        return trial.number % 7 == 0


def fork_and_die(model: nn.Module, how: str = "") -> Mapping[str, float]:
    """Leave processes behind that would live for long."""
    if how == "pool":
        multiprocessing.get_context("fork").Pool(2).map(abs, range(4))
    else:
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
    os.kill(os.getpid(), signal.SIGKILL)
    return {}
