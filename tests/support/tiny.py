"""A space of 64 samples that trains in no time, and evaluators for it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from raynas import Context, History, LayerChoice, ModelSpace, Stopper, Trial, ValueChoice, basic_unit


@basic_unit
class Scale(nn.Module):
    """A user's own unit."""

    def __init__(self, factor: float = 2.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class Tiny(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([1, 2, 3, 4, 5, 6, 7, 8], label="width")
        self.first = nn.Linear(4, width)
        self.act = LayerChoice(
            {"relu": nn.ReLU(), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "scale": Scale()}, label="act"
        )
        self.last = nn.Linear(width, 2, bias=ValueChoice([True, False], label="bias"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.act(self.first(x)))


def score(model: nn.Module) -> dict[str, float]:
    """A number that depends on the candidate and the seed."""
    with torch.no_grad():
        value = model(torch.linspace(-1, 1, 12).reshape(3, 4)).square().mean() + torch.rand(()) / 10
    return {"score": float(value), "parameters": float(sum(p.numel() for p in model.parameters()))}


def judge(model: nn.Module, scale: float = 1.0) -> Mapping[str, float]:
    return {name: scale * value for name, value in score(model).items()}


def judge_slowly(model: nn.Module, seconds: float = 0.1) -> Mapping[str, float]:
    time.sleep(seconds)
    return score(model)


def judge_and_tell(model: nn.Module, context: Context, log: str = "", seconds: float = 0.05) -> Mapping[str, float]:
    """Leaves a line for each training in a file."""
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{context.trial} {context.attempt} {os.getpid()}\n")
    time.sleep(seconds)
    return score(model)


def judge_behind_a_gate(
    model: nn.Module, context: Context, log: str = "", free: int = 4, seconds: float = 0.05
) -> Mapping[str, float]:
    """Leaves a line for each training in a file; after so many lines, each waits until `open_gate` is called."""
    earlier = _noted(log, context)
    _wait(lambda: len(earlier) < free or _gate(log).exists())
    time.sleep(seconds)
    return score(model)


def open_gate(log: str | Path) -> None:
    _gate(log).touch()


def _gate(log: str | Path) -> Path:
    return Path(f"{log}.gate")


def judge_together(model: nn.Module, context: Context, log: str = "", processes: int = 2) -> Mapping[str, float]:
    """Leaves a line for each training in a file; nobody goes on before so many processes have left one."""
    _noted(log, context)
    _wait(lambda: len({line.split()[2] for line in _lines(log)}) >= processes)
    time.sleep(0.05)
    return score(model)


def _noted(log: str, context: Context) -> list[str]:
    """Leaves a line; those of others before it."""
    with Path(log).open("a", encoding="utf-8") as file:
        mine = f"{context.trial} {context.attempt} {os.getpid()}"
        file.write(f"{mine}\n")
    lines = _lines(log)
    return lines[: lines.index(mine)]


def _lines(log: str) -> list[str]:
    return Path(log).read_text(encoding="utf-8").splitlines()


def _wait(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError("it did not happen")
        time.sleep(0.02)


def judge_with_reports(model: nn.Module, context: Context) -> Mapping[str, float]:
    final = score(model)
    for step in range(4):
        context.report({"score": final["score"] * (step + 1) / 4}, step)
    return final


def judge_oddly(model: nn.Module) -> Mapping[str, float]:
    """Half a character in the name of a metric, and some that a terminal would obey."""
    return {**score(model), "\ud800 odd\n\x00": 1.0}


def judge_or_fail(model: nn.Module) -> Mapping[str, float]:
    if any(isinstance(module, nn.Tanh) for module in model.modules()):
        raise ArithmeticError("no tanh, please")
    return score(model)


def talk_and_fail(model: nn.Module) -> Mapping[str, float]:
    """Fails with a tanh, after having said a good deal."""
    if any(isinstance(module, nn.Tanh) for module in model.modules()):
        print("\n".join(f"line {number}" for number in range(200)))
        raise ArithmeticError("no tanh, please")
    return score(model)


def always_fail(model: nn.Module) -> Mapping[str, float]:
    raise KeyError("x")


def always_fail_slowly(model: nn.Module) -> Mapping[str, float]:
    time.sleep(0.5)
    raise KeyError("x")


def not_a_number(model: nn.Module) -> Mapping[str, float]:
    return {"score": float("nan")}


class StopBelow(Stopper):
    """Ends trials whose second report is below a threshold."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def should_stop(self, trial: Trial, history: History) -> bool:
        return len(trial.reports) == 2 and trial.reports[-1].metrics["score"] < self.threshold


def talk_and_vanish(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Talks; then the first trial takes its worker with it, and the second never ends."""
    print(f"hello from trial {context.trial}")
    print("a warning", file=sys.stderr)
    if context.trial == 0:
        os._exit(3)
    if context.trial == 1:
        wait_for_ever(context.trial)
    return score(model)


def wait_for_ever(trial: int) -> None:
    while trial:
        time.sleep(0.1)


def judge_or_die(model: nn.Module, context: Context, log: str = "") -> Mapping[str, float]:
    """A candidate with a tanh takes its worker with it."""
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{context.trial} {context.attempt} {os.getpid()}\n")
    if any(isinstance(module, nn.Tanh) for module in model.modules()):
        os._exit(1)
    return score(model)
