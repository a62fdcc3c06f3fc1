"""Escapes: random numbers that left the recording of a constructor, and became plain ones.

`torch.rand(1).item()` in a constructor gives a number of which nothing says that it is another one in each build. Where
a module keeps it, or what was computed of it, its source would have the number of one build.
"""

from __future__ import annotations

from torch import Tensor, nn

from raynas.nn.tape import Event, Tape, tensors_in
from raynas.pytorch.owned import storage
from raynas.pytorch.units import draws_itself

LEAVING = frozenset(
    {"item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__index__", "__float__", "__complex__"}
)
"""Methods of tensors that give something else than tensors, which has their values."""


class Escapes:
    """What is random of all that was recorded.

    Args:
        tape: the recording; None where there is none.

    Attributes:
        modules: those in whose constructors random numbers became plain ones; None: the function that builds the model.
    """

    def __init__(self, tape: Tape | None) -> None:
        self.modules: set[nn.Module | None] = set()
        self._random: set[int] = set()
        self._made: set[int] = set()
        if tape is None:
            return
        for module in filter(draws_itself, tape.modules):
            self._random.update(map(storage, module.parameters()))
        for event in tape.events:
            self._follow(event)

    def _follow(self, event: Event) -> None:
        inputs = {storage(tensor) for tensor in event.inputs}
        if not event.drew and self._random.isdisjoint(inputs):
            return
        if _leaves(event):
            self.modules.add(event.scopes[-1] if event.scopes else None)
        results = set(map(storage, tensors_in(event.result)))
        self._made |= results - inputs
        self._random |= results
        self._random.update(map(storage, event.changed))

    def made(self, tensor: Tensor) -> bool:
        """Whether a tensor was random from the start, as what a call gave: no value of it is that of another build."""
        return storage(tensor) in self._made

    def holds(self, tensor: Tensor) -> bool:
        """Whether there are random numbers in a tensor."""
        return storage(tensor) in self._random


def outside(tape: Tape | None) -> bool:
    """Whether the function that builds the model makes plain numbers of random ones."""
    if tape is None or not any(_leaves(event) and not event.scopes for event in tape.events):
        return False
    return None in Escapes(tape).modules


def _leaves(event: Event) -> bool:
    return getattr(event.function, "__name__", "") in LEAVING
