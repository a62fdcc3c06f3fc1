"""Checkpoint: a trial's state as a file among the run's artifacts, which outlives its worker.

A state holds tensors and plain data. It is written as torch writes, and read so that nothing in it can run: what would
need more than that to be read again is refused when it is saved.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import torch

from raynas.engine import artifacts
from raynas.engine.weights import load_weights
from raynas.errors import EvaluationError, StoreError

STATES = "states"
"""The folder of states among the artifacts."""


def state_path(trial: int) -> str:
    """Where the trial's state lies: in one place whatever the attempt, so that the next one finds it."""
    return f"{STATES}/{trial}.pt"


class FileCheckpoint:
    """The `Context.checkpoint` of a trial in a run.

    Args:
        uri: of the run's artifacts.
        path: the state's, relative to them.
    """

    def __init__(self, uri: str, path: str) -> None:
        self._uri = uri
        self._path = path

    def save(self, state: Mapping[str, Any]) -> None:
        """Write `state`; when this returns, the next attempt will find it.

        Raises:
            EvaluationError: it holds something else than tensors and plain data.
        """
        artifacts.write(self._uri, self._path, _written(state))

    def restore(self) -> Mapping[str, Any] | None:
        """What was saved last, by this attempt or an earlier one, with all tensors on the CPU; None: nothing was."""
        return load_state(self._uri, self._path) if artifacts.exists(self._uri, self._path) else None


def load_state(uri: str, path: str) -> dict[str, Any]:
    """What a `FileCheckpoint` saved; `StoreError` where the file holds anything else."""
    data = artifacts.read(uri, path)
    try:
        return dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, EOFError, TypeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), "")
        raise StoreError(f"the state '{path}' in {uri} cannot be read ({reason}): remove it to start afresh") from None


def left_by(uri: str, weights: str, state: str | None) -> dict[str, Any]:
    """What a trial left for another to start from: its state; its weights under "model", where it saved no state.

    Args:
        uri: of the run's artifacts.
        weights: where its weights lie.
        state: where its state lies, if it saved any.
    """
    if state is not None and artifacts.exists(uri, state):
        return load_state(uri, state)
    return {"model": load_weights(uri, weights)}


def _written(state: Mapping[str, Any]) -> bytes:
    cure = "save tensors, numbers, texts, lists and dicts, as state_dict() methods return them"
    if not isinstance(state, Mapping):
        raise EvaluationError(f"the checkpoint was given a {type(state).__name__}: save a dict")
    buffer = io.BytesIO()
    try:
        torch.save(dict(state), buffer)
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
        raise EvaluationError(f"the checkpoint cannot be written ({error}): {cure}") from error
    buffer.seek(0)
    strange = torch.serialization.get_unsafe_globals_in_checkpoint(buffer)
    if strange:
        raise EvaluationError(f"the checkpoint holds a {min(strange)}, which is no plain data: {cure}")
    return buffer.getvalue()
