"""Rows: data as loaders over batches."""

from __future__ import annotations

import warnings
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.utils import data as torch_data


class Rows(torch_data.Dataset[tuple[Tensor, ...]]):
    """Tensors of equal length, read a batch at a time by indexing instead of row by row.

    What is read is a copy, its floating-point numbers in torch's default dtype: the tensors themselves, which may lie
    in memory that all workers share, are neither copied nor written to.
    """

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(_as_usual(tensor[index]).clone() for tensor in self.tensors)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        rows = torch.tensor(indices)
        return tuple(_as_usual(tensor[rows]) for tensor in self.tensors)


def as_is(batch: Any) -> Any:
    """A collate function for data that comes in batches already."""
    return batch


def prepared(data: Any) -> Any:
    """Arrays, or a dataset of tensors, as rows; anything else as it is."""
    if isinstance(data, torch_data.TensorDataset):
        data = data.tensors
    if isinstance(data, tuple | list) and data and all(is_array(part) for part in data):
        return Rows(*(_tensor(part) for part in data))
    return data


def loader(data: Any, batch_size: int, shuffle: bool) -> Any:
    """An iterable over batches of what `dataset` returned.

    Args:
        data: a loader stays as it is; a dataset gets a `DataLoader`.
        batch_size: rows in a batch, where it is not a loader's own business.
        shuffle: whether each epoch goes through the rows in another order; for datasets of known length, in training.
    """
    if isinstance(data, torch_data.IterableDataset):
        return torch_data.DataLoader(data, batch_size=batch_size)
    if isinstance(data, torch_data.DataLoader) or not hasattr(data, "__getitem__"):
        return data
    # A last batch of a single row is left out of training: batch normalisation cannot learn from it.
    lone = shuffle and len(data) % batch_size == 1 and len(data) > 1
    collate = as_is if isinstance(data, Rows) else None
    return torch_data.DataLoader(data, batch_size=batch_size, shuffle=shuffle, drop_last=lone, collate_fn=collate)


def is_array(part: Any) -> bool:
    """Whether it is an array or a tensor."""
    return isinstance(part, Tensor | numpy.ndarray)


def _tensor(part: Any) -> Tensor:
    if isinstance(part, Tensor):
        return part
    with warnings.catch_warnings():  # what is read-only is not written to
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(numpy.ascontiguousarray(part))


def _as_usual(tensor: Tensor) -> Tensor:
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
