"""A training with Lightning that is cut off in the middle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from raynas import Context, serialize_cls
from raynas.evaluator.lightning import Classification


@serialize_cls
class CutOff(Classification):
    """A trial's first attempt is cut off when an epoch has ended: its process is gone, or the search is."""

    def __init__(self, *args: Any, log: str = "", epoch: int = 2, how: str = "exit", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log, self.epoch, self.how = log, epoch, how

    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        send = context.send

        def told(metrics: Mapping[str, float], step: int) -> bool:
            stop = send(metrics, step)
            with Path(self.log).open("a", encoding="utf-8") as file:
                file.write(f"{context.attempt} {step}\n")
            if step == self.epoch and context.attempt == 1:
                if self.how == "exit":
                    os._exit(1)
                raise KeyboardInterrupt
            return stop

        return super().evaluate(model, replace(context, send=told))
