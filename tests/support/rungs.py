"""A training in one go, and the same training in two; and trainings that are cut off in the middle."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import nn

from raynas import Context, History, ModelSpace, Proposal, Sample, SearchSpace, Strategy, ValueChoice


class Small(ModelSpace):
    """A classifier of digits, with a dropout, so that the random numbers of each epoch count."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([12, 24], label="width")
        self.first = nn.Linear(64, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.drop(self.norm(self.first(x)).relu()))


def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits  # it takes a second, of which other trials here have none to spare

    images, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(classes)
    return (x[:320], y[:320]), (x[320:520], y[320:520])


class TwoRungs(Strategy):
    """One candidate: two epochs, then four that start from these, then four at once; and another that nobody needs."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        sample = Sample({"width": 24})
        steps = [
            Proposal(sample, budget=2),
            Proposal(sample, budget=4, warm_start=0),
            Proposal(sample, budget=4),
            Proposal(Sample({"width": 12}), budget=1),
        ]
        ready = len(history) < len(steps) and all(trial.state.ended for trial in history)
        return steps[len(history)] if ready else None

    def parents(self, history: History) -> Collection[int]:
        return [0] if len(history) else []


def step_and_die(model: nn.Module, context: Context, log: str = "", how: str = "exit") -> Mapping[str, float]:
    """Four steps, each saved; a trial's first attempt is cut off after the second one."""
    state = context.checkpoint.restore() or {"step": 0}
    for step in range(state["step"], 4):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(f"{context.trial} {step}\n")
        context.checkpoint.save({"step": step + 1, "model": model.state_dict()})
        if step == 1 and how == "exit":
            os._exit(1)
        if step == 1:
            raise KeyboardInterrupt
    return {"score": 1.0}


def hang(model: nn.Module, context: Context, log: str = "") -> Mapping[str, float]:
    """The first trial never comes back."""
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{context.trial} {os.getpid()}\n")
    while context.trial == 0:
        time.sleep(1000)
    return {"score": float(context.trial)}


def report_for_ever(model: nn.Module, context: Context) -> Mapping[str, float]:
    """The first trial comes to no end, but reports."""
    step = 0
    while context.trial == 0:
        context.report({"score": 0.0}, step)
        step += 1
        time.sleep(0.02)
    return {"score": float(context.trial)}
