"""Compare: whether two results are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in a result, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from tensors(getattr(value, item.name))


def close(left: Sequence[Tensor | None], right: Sequence[Tensor | None]) -> bool:
    """Whether tensors are equal, but for what rounding may do."""
    return len(left) == len(right) and all(map(_near, left, right))


def _near(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    return torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)


def alike(left: Any, right: Any) -> bool:
    """Whether two results are equal, containers and all."""
    if type(left) is not type(right):
        return False
    if isinstance(left, Tensor):
        return close([left], [right])
    if isinstance(left, tuple | list):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, Mapping):
        return list(left) == list(right) and all(alike(left[key], right[key]) for key in left)
    if is_dataclass(left):
        return all(alike(getattr(left, item.name), getattr(right, item.name)) for item in fields(left))
    return bool(left == right)


def equal(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors are bitwise equal, or cannot be compared."""
    if left.is_meta or right.is_meta:
        return True
    if left.layout != torch.strided:
        left, right = left.to_dense(), right.to_dense()
    return torch.equal(left, right) or bool(((left == right) | ((left != left) & (right != right))).all())


def plain_equal(left: Any, right: Any) -> bool:
    """Whether two plain values are equal, and of one type."""
    return type(left) is type(right) and (bool(left == right) or repr(left) == repr(right))
