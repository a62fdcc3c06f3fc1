"""What jobs on a GPU do in the tests."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import nn

from raynas.evaluator import Context

_kept: list[torch.Tensor] = []

GIGA = 2**30


def look(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Who this is, where, and what memory of the GPU this process holds."""
    here = next(model.parameters()).device
    return {
        "pid": os.getpid(),
        "right": float(str(here) == context.device and torch.cuda.current_device() == here.index),
        "reserved": torch.cuda.memory_reserved(),
        "free": torch.cuda.mem_get_info()[0],
    }


def take(model: nn.Module, context: Context, part: float = 0.0, keep: bool = False) -> Mapping[str, float]:
    """Take this part of the GPU's memory, and maybe never give it back."""
    found = look(model, context)
    whole = torch.cuda.get_device_properties(context.device).total_memory
    rows = [torch.empty(int(part * whole) // 16, dtype=torch.uint8, device=context.device) for _ in range(16)]
    if keep:
        _kept.extend(rows)
    return found


def keep_in_a_cycle(model: nn.Module, context: Context) -> Mapping[str, float]:
    """Leave ten gigabytes that nothing holds but themselves."""
    found = look(model, context)
    circle: list[object] = [torch.empty(10 * GIGA, dtype=torch.uint8, device=context.device)]
    circle.append(circle)
    return found


def mislabel(model: nn.Module, context: Context, sync: bool = True) -> Mapping[str, float]:
    """What a label that is no class does: a failed assertion in a kernel, after which the process has lost the GPU."""
    labels = torch.full((4,), 7, device=context.device)
    loss = nn.functional.cross_entropy(torch.randn(4, 3, device=context.device), labels)
    return {"score": loss.item()} if sync else {"score": 1.0}


def never_end(model: nn.Module, context: Context) -> Mapping[str, float]:
    """A kernel that nothing can interrupt."""
    context.report({"score": 0.0}, 0)
    torch.cuda._sleep(2**62)
    torch.cuda.synchronize()
    return {"score": 1.0}


def draw(model: nn.Module, context: Context) -> Mapping[str, float]:
    """What follows from the seed alone."""
    weight = next(model.parameters()).detach().flatten()[0]
    return {
        "weight": float(weight),
        "there": float(torch.rand((), device=context.device)),
        "here": float(torch.rand(())),
    }
