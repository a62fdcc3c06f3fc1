"""Memory: what a training leaves in its process, which is to be none of the next one's business."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress

import torch

from raynas.engine import gpu

ALLOWANCE = 2**29
"""Bytes by which a process may grow between its trials: caches fill, and heaps have holes."""

ON_GPU = 2**28
"""The same on a GPU, where there are workspaces of libraries and no holes."""

SHARE = 0.25
"""Of the memory that is a worker's fair part of its machine's, so much may be what its first trial loads for all."""


class Watermark:
    """Tells when a process holds on to the memory of trials that have ended, or cannot use its GPU any more.

    What the first trial leaves is taken for what all of them need, such as a dataset, as far as that can be.

    Args:
        part: of this machine's memory, the worker's fair part.
        share: of a GPU, what a trial is given.
    """

    def __init__(self, part: float, share: float = 1.0) -> None:
        self._here = _Level(held(), ALLOWANCE, SHARE * part * _physical())
        self._share = share
        self._there: dict[str, _Level] = {}

    def passed(self, device: str) -> bool:
        """Whether the process should make room for a new one, now that a trial on `device` has ended."""
        if not gpu.leave(device):
            return True
        passed = False
        if device != "cpu":
            level = self._there.setdefault(device, _Level(0, ON_GPU, SHARE * self._share * gpu.total(device)))
            passed = level.passed(torch.cuda.memory_allocated(device))
        now = held()
        if self._here.exceeded(now):
            gc.collect()
            with suppress(AttributeError, OSError):  # the C library need not be GNU's
                ctypes.CDLL(None).malloc_trim(0)
            now = held()
        return self._here.passed(now) or passed


class _Level:
    """One kind of memory, in bytes: what is held to be needed, and by how much a trial may leave more."""

    def __init__(self, least: int, allowance: float, first: float) -> None:
        self._least = least
        self._allowance = allowance
        self._first = max(allowance, first)

    def exceeded(self, now: int) -> bool:
        return now - self._least > self._first

    def passed(self, now: int) -> bool:
        """Whether too much is held now that a trial has ended; the first one sets the level."""
        exceeded = self.exceeded(now)
        if self._first > self._allowance or now < self._least:
            self._least = now
        self._first = self._allowance
        return exceeded


def held() -> int:
    """Bytes that are this process's alone on its machine; 0 where the system does not say."""
    try:
        # By the system's own calls: this is asked after each trial, and Python's files take five times as long.
        file = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            _, resident, shared, *_ = map(int, os.read(file, 256).split())
        finally:
            os.close(file)
    except OSError:
        return 0
    # Pages of files, and memory that is shared, are not the process's own.
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 2**34
