"""A seed for everything that happens at random, said aloud."""

from __future__ import annotations

import os
import random
import uuid

import pytest

SEED = "RAYNAS_CHAOS_SEED"


@pytest.fixture
def chance(capsys: pytest.CaptureFixture[str]) -> random.Random:
    """When to kill, and what; the same again where the environment names the seed."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(10**6))
    with capsys.disabled():
        print(f"[{SEED}={seed}]", end=" ", flush=True)
    return random.Random(seed)


@pytest.fixture
def mark() -> str:
    """What all processes of one test carry."""
    return uuid.uuid4().hex
