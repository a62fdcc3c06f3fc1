"""Stowed: a workplace whose large attachments lie in the object store, each once, to be read there by all workers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy
import ray

from raynas.engine.engine import Workplace
from raynas.serializer import Bytes

LARGE = 1 << 16
"""From so many bytes on, an attachment is an object of its own."""


@dataclass(frozen=True)
class Stowed:
    """A workplace on its way to the workers.

    Attributes:
        place: without its large attachments.
        data: references to these, by name.
    """

    place: Workplace
    data: dict[str, ray.ObjectRef[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Workplace) -> Stowed:
        """Put the large attachments of `place` into the object store."""
        small: dict[str, Bytes] = {}
        data: dict[str, ray.ObjectRef[Any]] = {}
        for name, content in place.attachments.items():
            if len(content) < LARGE:
                small[name] = bytes(content)
            else:  # as an array: Ray hands those out as they lie in the node's memory
                data[name] = ray.put(numpy.frombuffer(content, dtype=numpy.uint8))
        return cls(replace(place, attachments=small), data)

    def unpacked(self) -> Workplace:
        """The workplace; its large attachments are this node's memory, which all its workers read."""
        views = {name: memoryview(fetched(ref)) for name, ref in self.data.items()}
        return replace(self.place, attachments={**self.place.attachments, **views})


def fetched(ref: ray.ObjectRef[Any]) -> Any:
    """What `ray.get` returns. That one would tell Ray that this worker waits, and Ray would give its CPU to the next
    task: with a new process, which takes seconds to start and is then one too many."""
    return ref.future().result()
