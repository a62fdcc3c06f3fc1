"""What jobs in Ray's workers do in the tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping

import torch
from torch import nn

from raynas.evaluator import Context


def die(model: nn.Module) -> Mapping[str, float]:
    os._exit(1)


def killed(model: nn.Module) -> Mapping[str, float]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def who(model: nn.Module) -> Mapping[str, float]:
    return {"pid": os.getpid(), "threads": torch.get_num_threads()}


def nap(model: nn.Module) -> Mapping[str, float]:
    began = time.time()
    time.sleep(0.5)
    return {"began": began, "ended": time.time()}


def where(model: nn.Module, context: Context) -> Mapping[str, float]:
    return {"cpu": float(context.device == "cpu")}


def from_main(model: nn.Module) -> Mapping[str, float]:
    import __main__

    return {"score": __main__.travelled()}
