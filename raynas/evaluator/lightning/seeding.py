"""Seeding: everything random in an epoch follows from the trial's seed and the epoch's number.

So a training that goes on from an earlier one draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy
import torch


def seed_all(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices that are in use)."""
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    # Not torch.manual_seed: without a GPU that keeps each call, and its stack, for the day on which there is one.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's
        torch.cuda.manual_seed_all(seed)


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """A seed of 63 bits for one epoch of a trial, on one of its devices."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_epoch(seed: int, epoch: int, loaders: Iterable[Any] = (), rank: int = 0) -> None:
    """Seed the process and the data order for one epoch.

    A loader and its samplers get generators of their own, so that how often a loader is asked for an iterator does not
    change what the rest of the epoch draws.
    """
    base = epoch_seed(seed, epoch, rank)
    seed_all(base)
    for position, loader in enumerate(loaders):
        for turn, holder in enumerate(_holders(loader)):
            if holder.generator is None:
                holder.generator = torch.Generator()
            holder.generator.manual_seed(base ^ (position << 8 | turn + 1))


def _holders(loader: Any) -> list[Any]:
    """What has a generator to draw from: the loader, its sampler, its batch sampler's sampler."""
    sampler = getattr(loader, "sampler", None)
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    parts = [loader, sampler, *([inner] if inner is not sampler else [])]
    return [part for part in parts if hasattr(part, "generator")]


@contextlib.contextmanager
def fixed_randomness() -> Iterator[None]:
    """Within it, the same numbers are drawn every time; after it, those that would have been drawn before."""
    before = random.getstate(), numpy.random.get_state(), torch.random.get_rng_state()
    try:
        seed_all(0)
        yield
    finally:
        random.setstate(before[0])
        numpy.random.set_state(before[1])
        torch.random.set_rng_state(before[2])
