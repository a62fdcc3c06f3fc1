"""Weights: a model's `state_dict` as a safetensors file among the run's artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from raynas.engine import artifacts
from raynas.errors import EvaluationError, StoreError


def save_weights(model: nn.Module, uri: str, path: str) -> None:
    """Write the model's `state_dict`."""
    state: Mapping[str, Any] = model.state_dict()
    other = next((name for name, value in state.items() if not isinstance(value, torch.Tensor)), None)
    if other is not None:
        raise EvaluationError(
            f"the model's state '{other}' is a {type(state[other]).__name__}, which has no place in a weights file: "
            "make it a buffer, or keep no weights (keep_weights=0)"
        )
    # Tied weights lie in one memory, which safetensors refuses: each name gets a copy, and loading ties them again.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    artifacts.write(uri, path, safetensors.torch.save(tensors))


def load_weights(uri: str, path: str) -> dict[str, torch.Tensor]:
    """What `save_weights` wrote."""
    data = artifacts.read(uri, path)
    try:
        return safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise StoreError(
            f"'{path}' in {uri} is damaged ({error}): restore it from a copy, or train the trial's source again"
        ) from None
