"""GPU: the one a trial trains on, how much of its memory is the trial's, and whether its process can go on with it."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from raynas.errors import ResourceError

CONTEXT = 2**29
"""Bytes that a process takes on a GPU before the first tensor, and beside all tensors."""


def device_of(ids: Sequence[int | str], visible: str | None) -> str:
    """The device, in torch's words, of a trial that was given these GPUs; "cpu" where it was given none.

    Args:
        ids: the GPUs' numbers or names on their machine.
        visible: the variable that says which of them this process sees, and in which order; None: all of them.

    Examples:
        >>> device_of([3], "2,3")
        'cuda:1'
        >>> device_of([1], None)
        'cuda:1'
    """
    names = [name.strip() for name in visible.split(",")] if visible else []
    places = [names.index(name) if name in names else int(name) for name in map(str, ids)]
    return f"cuda:{min(places)}" if places else "cpu"


def enter(device: str, share: float = 1.0) -> None:
    """Make `device` the current one, of whose memory this process may take its share.

    What goes past it is out of memory here, whether or not others who share the GPU use theirs, and harms none of them.

    Args:
        device: "cpu" or "cuda:<index>".
        share: of one GPU.

    Raises:
        ResourceError: torch does not see that GPU.
    """
    if device == "cpu":
        return
    index = torch.device(device).index or 0
    if index >= torch.cuda.device_count():
        raise ResourceError(
            f"the trial was given '{device}', and torch {torch.__version__} sees {torch.cuda.device_count()} GPUs "
            "there: install a build of torch for that GPU, or set num_gpus to 0"
        )
    torch.cuda.set_device(index)
    if share < 1:
        whole = total(device)
        part = share * whole
        torch.cuda.set_per_process_memory_fraction(max(part - CONTEXT, part / 2) / whole, index)


def total(device: str) -> int:
    """Bytes of memory of the GPU."""
    return int(torch.cuda.get_device_properties(device).total_memory)


def leave(device: str) -> bool:
    """Give back the memory that nothing holds any more; whether this process can still use the GPU.

    After a failed assertion in a kernel, or a wrong address, it never can.
    """
    if device == "cpu":
        return True
    gc.collect()
    try:
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True
