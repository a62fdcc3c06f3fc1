"""DataLoader: torch's own, with its arguments remembered."""

from __future__ import annotations

from typing import TypeVar

from torch.utils import data

from raynas.serializer import serialize_cls

T = TypeVar("T", covariant=True)


@serialize_cls
class DataLoader(data.DataLoader[T]):
    """`torch.utils.data.DataLoader`, which remembers its arguments; choices may stand among them."""
