"""Tensors as shapes: values without data, and keys under which what was found out for them is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from raynas.graph import Unit
from raynas.pytorch.names import resolve

PLAIN = frozenset({int, bool, complex})
ATOMS = frozenset({str, bytes, type(None), type(...), torch.dtype, torch.memory_format, torch.layout, torch.device})


class Unclear(Exception):
    """Shapes alone do not say what happens here."""


class Spec(NamedTuple):
    """A tensor without its data. Strides count: `view` works for some only."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        """What its elements take."""
        count = self.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


def specs_of(value: Any) -> Any:
    """`value` with each tensor as its `Spec`."""
    return _mapped(value, torch.Tensor, _spec_of)


def tensors_of(value: Any) -> Any:
    """`value` with each `Spec` as a meta tensor."""
    return _mapped(value, Spec, _meta)


def bytes_in(value: Any) -> int:
    """What the tensors in a value of specs take."""
    total = 0

    def add(spec: Spec) -> Spec:
        nonlocal total
        total += spec.bytes
        return spec

    _mapped(value, Spec, add)
    return total


def key_of(value: Any) -> Any:
    """A hashable form that two values share only if a layer cannot tell them apart; `TypeError` where there is none."""
    kind = type(value)
    if kind is Spec or kind in ATOMS:
        return value
    if kind in PLAIN:
        return kind, value  # or True would be 1
    if kind is float:
        return kind, repr(value)
    if kind is list or isinstance(value, tuple):
        return kind, *map(key_of, value)
    if kind is dict:
        return kind, *((key_of(key), key_of(item)) for key, item in value.items())
    if kind is slice:
        return kind, key_of(value.start), key_of(value.stop), key_of(value.step)
    if kind is Unit:
        return kind, resolve(value.target), key_of(value.args), key_of(value.kwargs)
    hash(value)
    return kind, value


def _mapped(value: Any, kind: type, of: Callable[[Any], Any]) -> Any:
    if isinstance(value, kind):
        return of(value)
    if isinstance(value, tuple):
        items = [_mapped(item, kind, of) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if type(value) is list:
        return [_mapped(item, kind, of) for item in value]
    if type(value) is dict:
        return {key: _mapped(item, kind, of) for key, item in value.items()}
    if type(value) is slice:
        return slice(*(_mapped(item, kind, of) for item in (value.start, value.stop, value.step)))
    return value


def _spec_of(tensor: torch.Tensor) -> Spec:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise Unclear("a tensor without strides")
    return Spec(tuple(tensor.shape), tensor.stride(), tensor.dtype)


def _meta(spec: Spec) -> torch.Tensor:
    return torch.empty_strided(spec.shape, spec.stride, dtype=spec.dtype, device="meta")
