"""A space whose candidates take long to examine, and functions that are called elsewhere."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from raynas import LayerChoice, ModelSpace, ValueChoice


class Wide(ModelSpace):
    """400 candidates, of which 198 cannot run, since the head does not fit."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, *range(9, 108)], label="width")
        self.trunk = nn.Linear(6, width, bias=ValueChoice([True, False], label="bias"))
        self.head = LayerChoice({"fits": nn.Linear(width, 2), "needs 8": nn.Linear(8, 2)}, label="head")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.trunk(x)))


def size(model: nn.Module) -> float:
    return float(sum(parameter.numel() for parameter in model.parameters()))


def at_most_500(profile: Any) -> str | bool:
    return True if profile.params <= 500 else f"{profile.params} parameters are more than 500"


@dataclass(frozen=True)
class Slowly:
    """The same, after a while, and noting which process it was.

    Attributes:
        log: where.
        deadly: whether the first process that helps the first one dies of it.
        helped: whether the first one, when it has done some, is slow until somebody helps, whose start takes a while.
    """

    log: str
    deadly: bool = False
    helped: bool = False

    def __call__(self, profile: Any) -> str | bool:
        log = Path(self.log)
        if self.deadly and log.exists() and log.read_text().split()[0] != str(os.getpid()):
            with suppress(FileExistsError):
                log.with_name("dead").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.25 if self.helped and self._alone() else 0.03)
        return at_most_500(profile)

    def _alone(self) -> bool:
        """Whether this process, which is the first, has done some and nobody else any."""
        lines = Path(self.log).read_text().split()
        return len(lines) > 50 and set(lines) == {str(os.getpid())}


def adding(more: int) -> Callable[[Any], Any]:
    """A function that adds, and obeys: it sleeps, dies, raises, tells its process."""
    made = os.urandom(4).hex()

    def call(argument: Any) -> Any:
        match argument:
            case ["sleep", seconds, log]:
                with Path(log).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                time.sleep(seconds)
            case ["die", log]:
                with Path(log).open("a") as file:
                    file.write("died\n")
                os._exit(3)
            case "raise":
                raise KeyError(argument)
            case "who":
                return os.getpid(), made
            case int():
                return argument + more
        return None

    return call
