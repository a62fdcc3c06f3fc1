"""History: which of all operations on tensors that were recorded still matter, and which results need a variable.

Kept are operations that changed a tensor which the model holds, those that such operations needed, those that created
a tensor of the model, and those that took random numbers, so that all later ones come out the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from raynas.nn.tape import Event, Tape, tensors_in
from raynas.pytorch.operations import is_named
from raynas.pytorch.owned import Owned, geometry, storage
from raynas.pytorch.units import draws_itself


class History:
    """What still matters of a recording.

    Args:
        tape: the recording.
        opaque: modules that are kept whole: what happened in their constructors comes back with them.
        owned: the model's tensors.

    Attributes:
        results: by id of a tensor, the event that gave it, and its position among that one's results.
        created: by event, the tensors of the model whose values it created.
        positions: by id of such a tensor, which of the event's results it is, where that gave several.
        needed: the events that matter, by their place.
        variables: by event, the name of the variable that holds its result.
        statements: the events that become statements of their own.
    """

    def __init__(self, tape: Tape, opaque: set[nn.Module], owned: Owned) -> None:
        self.owned = owned
        self.results: dict[int, tuple[Event, int | None]] = {}
        self.events = [event for event in tape.events if not opaque or opaque.isdisjoint(event.scopes)]
        for event in self.events:
            if isinstance(event.result, Tensor):
                self.results.setdefault(id(event.result), (event, None))
                if is_named(event, "__get__"):
                    continue
            for position, tensor in enumerate(tensors_in(event.result)):
                self.results.setdefault(id(tensor), (event, position))
        self.positions: dict[int, int] = {}
        self.created = self._created({inner for whole in opaque for inner in whole.modules()})
        self.needed = self._needed()
        drawn = [e.index for e in self.needed.values() if e.drew]
        made = zip(tape.constructions, tape.modules, strict=True)
        self._draws = sorted([*drawn, *(call.index for call, module in made if draws_itself(module))])
        self.variables = self._variables()
        roots = [event for event in self.needed.values() if event.changed or event.drew]
        nested = self._nested([*roots, *(self.needed[index] for index in (*self.created, *self.variables))])
        known = {*nested, *self.created, *self.variables}
        self.statements = [event for event in roots if event.index not in known]

    def source(self, tensor: Tensor) -> Event | None:
        """The event whose result a tensor is, where it is not one of the model's own."""
        if self.owned.own(tensor) is not None:
            return None
        found = self.results.get(id(tensor))
        return found[0] if found is not None else None

    def draws(self, event: Event) -> bool:
        """Whether an event, or one that stands in its arguments, takes random numbers."""
        if event.drew:
            return True
        return any(source.index not in self.variables and self.draws(source) for source in self._sources(event))

    def _sources(self, event: Event) -> Iterator[Event]:
        """The events whose results an event needs, as far as they are none of the model's tensors before it."""
        for tensor in event.inputs:
            source = self.source(tensor)
            if source is None and is_named(event, "__set__") and tensor is event.args[1]:
                source, position = self.results.get(id(tensor), (None, None))  # `x.data = …` makes it the model's
                source = source if position is None else None
            if source is not None and source is not event:
                yield source

    def is_changed(self, event: Event) -> bool:
        """Whether something wrote to what an event gave."""
        given = set(map(storage, tensors_in(event.result)))
        return any(not given.isdisjoint(map(storage, other.changed)) for other in self.needed.values())

    def _created(self, kept: set[nn.Module]) -> dict[int, list[Tensor]]:
        found: dict[int, list[Tensor]] = {}
        made: dict[tuple[object, ...], tuple[Event, int | None]] = {}
        for event in self.events:
            if isinstance(event.result, Tensor) and not self._shows_another(event):
                made.setdefault(geometry(event.result), (event, None))
            elif isinstance(event.result, tuple | list):
                inputs = {storage(tensor) for tensor in event.inputs}
                for position, item in enumerate(event.result):
                    if isinstance(item, Tensor) and storage(item) not in inputs:
                        made.setdefault(geometry(item), (event, position))
        for tensor, module in self.owned.holders.values() if made else ():
            if module in kept:
                continue
            source = made.get(geometry(self.owned.first(tensor)))
            if source is not None:
                event, place = source
                found.setdefault(event.index, []).append(tensor)
                if place is not None:
                    self.positions[id(tensor)] = place
        return found

    def _shows_another(self, event: Event) -> bool:
        """Whether a result is, from one end of its storage to the other, a tensor that was there before it."""
        while True:
            inputs = [tensor for tensor in event.inputs if storage(tensor) == storage(event.result)]
            if not inputs:
                return event.function in (torch.nn.Parameter,) or is_named(event, "__get__")
            if any(item is event.result for item in inputs) or is_named(event, "__get__"):
                return True
            source = self.results.get(id(inputs[0]))
            if source is None or source[0] is event or source[1] is not None:
                return source is None
            event = source[0]

    def _needed(self) -> dict[int, Event]:
        needed: dict[int, Event] = {}
        storages: set[int] = set(self.owned.storages)
        for event in reversed(self.events):
            touched = any(storage(tensor) in storages for tensor in event.changed)
            if not (event.drew or touched or event.index in self.created or event.index in needed):
                continue
            needed[event.index] = event
            for tensor in event.inputs:
                if self.owned.own(tensor) is not None:
                    continue
                source = self.results.get(id(tensor))
                if source is not None and source[0] is not event:
                    needed.setdefault(source[0].index, source[0])
                    storages.add(storage(tensor))
        return {event.index: event for event in self.events if event.index in needed}

    def _variables(self) -> dict[int, str]:
        """Results that are used twice, changed later, or overtaken by other random numbers."""
        uses: Counter[int] = Counter()
        user: dict[int, Event] = {}
        for event in self.needed.values():
            for tensor in event.inputs:
                source = self.source(tensor)
                if source is not None:
                    uses[source.index] += 1
                    user[source.index] = event
        for index, tensors in self.created.items():
            uses[index] += len(tensors)
        writes = [event.index for event in self.needed.values() if event.changed]
        found: dict[int, str] = {}
        for index, count in uses.items():
            created = self.created.get(index, [])
            several = len({self.positions.get(id(tensor)) for tensor in created}) > 1
            if index not in self.needed or (created and count == len(created) and not several):
                continue
            last = user[index].index if index in user else index
            overtaken = _between(writes, index, last)
            overtaken = overtaken or (self.needed[index].drew and _between(self._draws, index, last))
            if count > 1 or overtaken:
                found[index] = f"value_{len(found)}" if found else "value"
        return found

    def _nested(self, users: Iterable[Event]) -> set[int]:
        """Events that stand inside others' arguments."""
        found: set[int] = set()

        def visit(event: Event) -> None:
            for source in self._sources(event):
                if source.index not in self.variables and source.index not in found:
                    found.add(source.index)
                    visit(source)

        for event in users:
            visit(event)
        return found


def _between(points: list[int], first: int, last: int) -> bool:
    """Whether one of the sorted points lies between two others."""
    return bisect_right(points, first) < bisect_left(points, last)
