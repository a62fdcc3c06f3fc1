"""Files: state dicts as they stand in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from raynas.nn.tape import Load
from raynas.pytorch.names import resolve


class Files:
    """The state dicts in files, read once each."""

    def __init__(self) -> None:
        self._read: dict[Load, list[tuple[tuple[str, ...], Mapping[str, Any]]]] = {}

    def of(self, load: Load) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
        """The dicts of tensors in a file, each with the keys under which it stands there."""
        if load not in self._read:
            try:
                self._read[load] = list(_state_dicts(resolve(load.function)(load.file), ())) if load.file else []
            except Exception:  # whatever reading raises: the file is gone, or needs other arguments
                self._read[load] = []
        return self._read[load]


def _state_dicts(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        return
    if value and all(isinstance(item, Tensor) for item in value.values()):
        yield keys, value
    for key, item in value.items():
        if isinstance(key, str):
            yield from _state_dicts(item, (*keys, key))


def same_tensors(left: Any, right: Mapping[str, Any]) -> bool:
    """Whether two state dicts are equal."""
    if not isinstance(left, Mapping) or left.keys() != right.keys():
        return False
    return all(isinstance(left[key], Tensor) and _same_values(left[key], right[key]) for key in right)


def _same_values(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and left.dtype == right.dtype and torch.equal(left.cpu(), right.cpu())
