"""Basic units: modules that a graph keeps whole."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from torch import nn

from raynas.serializer import serialize_cls

M = TypeVar("M", bound=nn.Module)

MARK = "_raynas_basic_unit"

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict, nn.Module)


def basic_unit(cls: type[M]) -> type[M]:
    """Class decorator: the module is one node of every graph, never opened, and changed through its arguments only.

    The class stays itself; its constructions are recorded as those of `@raynas.serialize_cls` are.
    """
    setattr(cls, MARK, cls)  # names the class, so that a subclass does not inherit the mark
    return serialize_cls(cls)


def is_basic_unit(cls: type) -> bool:
    """Whether modules of this very class are kept whole: decorated ones, einops', `torch.nn`'s but containers."""
    return _is_torchs(cls) or cls.__dict__.get(MARK) is cls


@lru_cache(maxsize=4096)
def _is_torchs(cls: type) -> bool:
    return cls.__module__.startswith(("torch.nn.", "torch.ao.nn.", "einops.layers.torch")) and cls not in CONTAINERS
