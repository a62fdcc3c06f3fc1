"""Outside: what a forward could use that stands in no graph: modes, and generators of random numbers."""

from __future__ import annotations

import random
from typing import Any

import numpy
import torch

GRAD, INFERENCE = torch.is_grad_enabled, torch.is_inference_mode_enabled
DTYPE, AUTOCAST = torch.get_default_dtype, torch.is_autocast_enabled
"""As torch defines them: while a forward is traced, users may not ask."""


def modes() -> tuple[Any, ...]:
    """Everything on which it depends what torch computes, beside its arguments."""
    return GRAD(), INFERENCE(), DTYPE(), AUTOCAST("cpu"), AUTOCAST("cuda")


def generators() -> tuple[Any, ...]:
    """The states of Python's, NumPy's and torch's shared generators."""
    state = numpy.random.get_state()  # the generator that numpy.random's functions share
    return random.getstate(), state[1].tobytes(), state[2], torch.get_rng_state().numpy().tobytes()  # type: ignore[index]  # a tuple by default


def restore(state: tuple[Any, ...]) -> None:
    """Set the generators to the states that they had."""
    if generators() == state:
        return
    random.setstate(state[0])
    numpy.random.set_state(("MT19937", numpy.frombuffer(state[1], dtype=numpy.uint32), state[2], 0, 0.0))
    torch.set_rng_state(torch.frombuffer(bytearray(state[3]), dtype=torch.uint8))
