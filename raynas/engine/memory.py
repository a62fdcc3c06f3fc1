"""Memory: what a training leaves in its process, which is to be none of the next one's business."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

import torch

ALLOWANCE = 2**29
"""Bytes by which a process may grow between its trials: caches fill, and heaps have holes."""

SHARE = 0.25
"""Of the memory that is a worker's fair part of its machine's, so much may be what its first trial loads for all."""


class Watermark:
    """Tells when a process holds on to the memory of trials that have ended.

    What the first trial leaves is taken for what all of them need, such as a dataset, as far as that can be.

    Args:
        part: of this machine's memory, the worker's fair part.
    """

    def __init__(self, part: float) -> None:
        self._least = held()
        self._first = SHARE * part * _physical()

    def passed(self, device: str) -> bool:
        """Whether the process should make room for a new one, now that a trial on `device` has ended."""
        if device != "cpu":
            gc.collect()
            torch.cuda.empty_cache()
        now = held()
        allowance, self._first = max(ALLOWANCE, self._first), 0.0
        if now - self._least > allowance:
            gc.collect()
            with suppress(AttributeError, OSError):  # the C library need not be GNU's
                ctypes.CDLL(None).malloc_trim(0)
            now = held()
        passed = now - self._least > allowance
        if allowance > ALLOWANCE or now < self._least:
            self._least = now
        return passed


def held() -> int:
    """Bytes that this process holds, on the machine and on GPUs; on some systems the former is not known."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else range(0)  # type: ignore[no-untyped-call]  # torch's
    on_gpus = sum(torch.cuda.memory_allocated(gpu) for gpu in gpus)
    try:
        # Pages of files, and memory that is shared, are not the process's own.
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    except OSError:
        return on_gpus
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") + on_gpus


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 2**34
