"""Batches: what of a batch goes into the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raynas.errors import ConfigError


def inputs_and_target(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """A batch's inputs, as arguments of the model, and its target, which is its last item."""
    if not isinstance(batch, Sequence) or len(batch) < 2:
        raise ConfigError(
            f"a batch of the data is a {type(batch).__name__}: it should be inputs and a target, as in (x, y)"
        )
    *inputs, target = batch
    if len(inputs) == 1 and isinstance(inputs[0], tuple | list):
        inputs = list(inputs[0])
    return tuple(inputs), target
