"""What the constructors did beside making layers, as steps that the generated constructors do again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from raynas.errors import SerializationError, TraceError
from raynas.graph import Apply, Path, Set, Unit
from raynas.graph.fixed import has_choice
from raynas.graph.member import Let, Local, Step
from raynas.nn import InputChoice, LayerChoice, Repeat, is_basic_unit
from raynas.nn.recording import construction
from raynas.nn.tape import WEIGHTS, Event, Tape
from raynas.pytorch.escapes import Escapes
from raynas.pytorch.files import Files, same_tensors
from raynas.pytorch.history import History
from raynas.pytorch.operations import Untold, in_words, is_named, operation
from raynas.pytorch.owned import Owned, storage
from raynas.pytorch.places import Places
from raynas.pytorch.reading import may_draw
from raynas.pytorch.reasons import can_be_whole
from raynas.pytorch.tensors import creation
from raynas.pytorch.units import draws_itself, unit_of

LITERALS = frozenset({int, float, bool, str, complex, type(None), type(...)})
FROM_LITERALS = ("torch.tensor", "torch.as_tensor")
LONGEST = 4096
"""Up to so many values that a constructor writes out in Python stand in its source."""

DRAWN = (
    "it may keep random numbers from Python or NumPy, or such as `.item()` gives, as plain ones: "
    "draw them with torch, and keep them as tensors"
)

TORCHS = (torch.dtype, torch.memory_format, torch.layout, torch.device)


@dataclass(frozen=True, eq=False)
class Timed:
    """A step, and its place among all that was recorded."""

    index: int
    step: Step
    draws: bool


class Constructors:
    """The steps of all opened modules' constructors.

    Args:
        root: the model.
        opaque: modules that are kept whole: what happened in their constructors comes back with them.
        tape: the recording; None where there is none.
        places: paths of all that stands in the model.
        inherited: names of what a module's base class, if it is a basic unit, makes in it.

    Attributes:
        steps: by module, in the order in which they happened.
        values: by id of a tensor that an opened module owns, the expression that created it, and when, where that
            counts.
        failed: modules whose constructors cannot be written, and why.
    """

    def __init__(
        self,
        root: nn.Module,
        opaque: set[nn.Module],
        tape: Tape | None,
        places: Places,
        inherited: Callable[[nn.Module], set[str]],
    ) -> None:
        self.inherited = inherited
        self.root = root
        self.opaque = opaque
        self.tape = tape
        self.places = places
        self.steps: dict[nn.Module, list[Timed]] = {}
        self.values: dict[int, tuple[Any, int | None]] = {}
        self.failed: dict[nn.Module, str] = {}
        self._live = dict.fromkeys(places.modules.values())
        self._owned = Owned(self._live, () if tape is None else tape.moved)
        self._dropped: set[int] = set()
        self._files = Files()
        self._homes: dict[int, dict[nn.Module, None]] = {}
        self.escapes = Escapes(tape)
        if tape is None:
            return
        gone = (module for module in tape.modules if module not in self._live and draws_itself(module))
        self._dropped = {storage(tensor) for module in gone for tensor in module.parameters()}
        self._history = History(tape, opaque, self._owned)
        self._write(tape)

    def owner(self, tensor: Tensor) -> nn.Module:
        """The first module that holds a tensor of the model."""
        return self._owned.holder(tensor)

    def value(self, tensor: Tensor) -> tuple[Any, int | None] | None:
        """The expression that created an opened module's tensor, and when, where that counts; None: not recorded."""
        return self.values.get(id(tensor))

    def unwritable(self, tensor: Tensor) -> tuple[list[nn.Module], str]:
        """Why a tensor that no recorded call created cannot be written as its value, and the modules that it concerns.

        Its value would be that of one seed, or what it shares memory with would no longer change with it.
        """
        if storage(tensor) in self._dropped:
            return [], "was made by a layer that the model does not keep"
        others = self._owned.sharing(tensor)
        return [self.owner(other) for other in others], "shares memory with another tensor" if others else ""

    def may_draw(self, scopes: Iterable[nn.Module], by_name: bool = True) -> bool:
        """Whether what stands in constructors as plain numbers may be random ones.

        Args:
            scopes: modules whose constructors ran.
            by_name: whether the name of a function is enough to suspect it.
        """
        scopes = tuple(scopes)
        if not self.escapes.modules.isdisjoint(scopes):
            return True
        classes: Iterable[Any] = map(type, scopes)
        return self.tape is not None and self.tape.drew_outside and any(may_draw(cls, by_name) for cls in classes)

    def _write(self, tape: Tape) -> None:
        history = self._history
        for event in history.statements:
            self._state(event)
        for index, tensors in history.created.items():
            for tensor in tensors:
                self._create(history.needed[index], tensor)
        for index in sorted(history.variables, reverse=True):  # what uses a variable comes before it
            event = history.needed[index]
            for home in self._homes.get(index) or [self._home(event.scopes)]:
                try:
                    made = Let(history.variables[index], self._unit(event, home))
                    self._put(home, Timed(index, made, history.draws(event)))
                except Untold as why:
                    self._fail(home, event, why)
        self._dead(tape)
        for steps in self.steps.values():
            steps.sort(key=lambda timed: timed.index)

    def _state(self, event: Event) -> None:
        """The statement that one event becomes."""
        home = self._home(event.scopes, event)
        try:
            if is_named(event, "__set__"):
                name = event.function.__self__.__name__
                target = self._expression(event.args[0], home)
                if name == "data" and isinstance(target, Path):
                    found = self._history.results.get(id(event.args[1]))
                    if found is not None and found[1] is None and found[0].index not in self._history.variables:
                        value: Any = self._unit(found[0], home)
                    else:
                        value = self._expression(event.args[1], home, event)
                    self._put(home, Timed(event.index, Set(f"{target.path}.data", value), self._history.draws(event)))
                return
            unit = self._loading(event, home) if event.function == WEIGHTS else None
            unit = unit or self._unit(event, home, self._blank(event))
        except Untold as why:
            if not event.drew and self.root not in event.scopes and home is self.root:
                return  # the factory gives other values: a comparison of fresh weights tells
            self._fail(home, event, why)
            return
        self._put(home, Timed(event.index, Apply(unit.target, unit.args, unit.kwargs), self._history.draws(event)))

    def _loading(self, event: Event, home: nn.Module) -> Unit:
        """`module.load_state_dict(…)` of a file in which all stands that was loaded, or of another module's state."""
        assert self.tape is not None
        module, weights, strict, assign = event.args
        if self._has_choices(self.tape):
            raise Untold("it loads the weights of all candidates")
        now = module.state_dict()
        if any(key in now and now[key].shape != value.shape for key, value in weights.items()) or (
            strict and now.keys() != weights.keys()
        ):
            raise Untold("it loads the weights of layers that were replaced afterwards")
        passed = ({} if strict else {"strict": False}) | ({"assign": True} if assign else {})
        target = self._expression(module, home)
        for other in self.root.modules():
            own = other.state_dict(keep_vars=True)
            if own.keys() == weights.keys() and all(self._owned.own(weights[key]) is own[key] for key in own):
                state = Unit(".state_dict", (self._expression(other, home),))
                return Unit(f".{WEIGHTS}", (target, state), passed)
        for load in self.tape.loads:
            for keys, tensors in self._files.of(load):
                if same_tensors(weights, tensors):
                    value = Unit(load.function, (load.file,))
                    for key in keys:
                        value = Unit("operator.getitem", (value, key))
                    return Unit(f".{WEIGHTS}", (target, value), passed)
        raise Untold("it loads tensors that stand in no file")

    def _has_choices(self, tape: Tape) -> bool:
        """Whether the model that was recorded is one of several."""
        if any(isinstance(module, LayerChoice | InputChoice | Repeat) for module in self._live):
            return True
        return any(has_choice(call.args) or has_choice(dict(call.kwargs)) for call in tape.constructions)

    def _blank(self, event: Event) -> dict[int, Any]:
        """In place of a tensor that is not kept, and is only filled with random numbers: an empty one of its shape."""
        if not event.drew:
            return {}
        return {
            id(tensor): Unit("torch.empty", (tuple(tensor.shape),), {"dtype": tensor.dtype})
            for tensor in event.changed
            if self._owned.own(tensor) is None and id(tensor) not in self._history.results
        }

    def _create(self, event: Event, tensor: Tensor) -> None:
        module = self.owner(tensor)
        index = event.index
        unit_owned = is_basic_unit(type(module)) or any(
            getattr(module, name, None) is tensor for name in self.inherited(module)
        )
        home = self._home((*event.scopes, module) if not unit_owned else event.scopes, event)
        try:
            variable = self._history.variables.get(index)
            value = self._unit(event, home) if variable is None else self._local(event, home)
            position = self._history.positions.get(id(tensor))
            value = value if position is None else Unit("operator.getitem", (value, position))
        except Untold as why:
            self._fail(home, event, why)
            return
        drew = self._history.draws(event)
        if not unit_owned and (home is module or type(module) in (nn.ParameterList, nn.ParameterDict)):
            self.values[id(tensor)] = value, index if drew or _needs_others(value) else None
            return
        path = self.places.path(home, tensor)
        if path is None:
            return
        if isinstance(tensor, nn.Parameter):
            value = Unit("torch.nn.Parameter", (value,))
        self._put(home, Timed(index, Set(path, value), drew))

    def _fail(self, home: nn.Module, event: Event, why: Untold) -> None:
        if home is not self.root or self.root in event.scopes:
            self.failed.setdefault(home, f"its constructor cannot be written as source: {why}")
        elif not self.failed:
            raise TraceError(
                f"the function that builds the model initialises it in a way that cannot be written as source ({why}): "
                "move that into a module's constructor"
            )

    def _unit(self, event: Event, home: nn.Module, known: dict[int, Any] | None = None) -> Unit:
        target, args = operation(event)
        if target in FROM_LITERALS:
            if self.may_draw(event.scopes):
                raise Untold(DRAWN)
            if args and _count(args[0]) > LONGEST:
                raise Untold(f"it writes out {_count(args[0])} values in Python")
        values = [self._expression(arg, home, event, known) for arg in args]
        kwargs = {
            k: self._expression(v, home, event, known) for k, v in event.kwargs.items() if not _plain_device(k, v)
        }
        return Unit(target, tuple(values), kwargs)

    def _expression(
        self, value: Any, home: nn.Module, user: Event | None = None, known: dict[int, Any] | None = None
    ) -> Any:
        if isinstance(value, float | numpy.number) and user is not None and self.may_draw(user.scopes):
            raise Untold(DRAWN)
        if isinstance(value, numpy.number | numpy.bool_):
            value = value.item()
        if type(value) in LITERALS:
            return value
        if isinstance(value, Tensor):
            if known and id(value) in known:
                return known[id(value)]
            owner = self._owned.own(value)
            if owner is not None:
                path = self.places.path(home, owner)
                if path is None:
                    raise Untold("it uses a tensor of another module")
                return Path(path)
            source = self._history.results.get(id(value))
            if source is not None and source[0] is not user:
                event, position = source
                if event.index in self._history.variables:
                    made: Any = self._local(event, home)
                elif is_named(event, "__get__") and event.function.__self__.__name__ == "data":
                    return self._expression(event.args[0], home, event, known)
                else:
                    made = self._unit(event, home, known)
                return made if position is None else Unit("operator.getitem", (made, position))
            if user is not None and self.may_draw(user.scopes):
                raise Untold(DRAWN)
            literal = creation(value.detach())
            if literal is None or storage(value) in self._dropped:
                raise Untold("it uses values that were not made with torch, too many to write out")
            return literal
        if isinstance(value, nn.Module):
            path = self.places.path(home, value)
            if path is None:
                raise Untold(f"it uses a {type(value).__name__} that the model does not keep")
            return Path(path)
        if type(value) in (list, tuple, torch.Size):
            items = [self._expression(item, home, user, known) for item in value]
            return items if type(value) is list else tuple(items)
        if type(value) is slice:
            return slice(*(self._expression(v, home, user, known) for v in (value.start, value.stop, value.step)))
        if isinstance(value, TORCHS):
            return value
        raise Untold(f"it passes a {type(value).__name__} to {in_words(user)}")

    def _local(self, event: Event, home: nn.Module) -> Local:
        """The variable of an event's result, in a constructor that uses it; each such constructor computes its own."""
        homes = self._homes.setdefault(event.index, {home: None})
        if home not in homes:
            if self._history.draws(event) or self._history.is_changed(event):
                raise Untold("it uses a tensor that other constructors use, too, and that they cannot make again")
            homes[home] = None
        return Local(self._history.variables[event.index])

    def _home(self, scopes: tuple[nn.Module, ...], event: Event | None = None) -> nn.Module:
        """The innermost opened module in whose constructor something happened and that holds all that it needs."""
        wanted = list(self._owners(event)) if event is not None else []
        for module in reversed(scopes):
            if module not in self._live or not can_be_whole(module):
                continue
            if all(self.places.path(module, item) is not None for item in wanted):
                return module
        return self.root

    def _owners(self, event: Event) -> Iterator[Any]:
        """The model's tensors and modules that an event and those nested in it need."""
        for item in (*event.args, *event.kwargs.values()):
            if isinstance(item, nn.Module):
                yield item
        for tensor in event.inputs:
            owner = self._owned.own(tensor)
            if owner is not None:
                yield owner
                continue
            source = self._history.results.get(id(tensor))
            if source is not None and source[0] is not event and source[0].index < event.index:
                yield from self._owners(source[0])

    def _dead(self, tape: Tape) -> None:
        """Units that were made and not kept, as statements: they took random numbers."""
        kept: set[int] | None = None
        for call, module, scopes in zip(tape.constructions, tape.modules, tape.scopes, strict=True):
            if module in self._live or not draws_itself(module) or not self.opaque.isdisjoint(scopes):
                continue
            if kept is None:
                kept = {id(construction(live)) for live in self._live}
            if id(call) in kept:
                continue  # it lives on in its copies
            try:
                unit = unit_of(call)
            except SerializationError:
                continue
            if has_choice((unit.args, dict(unit.kwargs))):
                continue  # how many numbers it took hangs on a choice that is nowhere else
            self._put(self._home(scopes), Timed(call.index, Apply(unit.target, unit.args, unit.kwargs), True))

    def _put(self, home: nn.Module, timed: Timed) -> None:
        self.steps.setdefault(home, []).append(timed)


def _needs_others(value: Any) -> bool:
    """Whether an expression uses a variable, or what the module holds: then that has to be made before it."""
    if isinstance(value, Unit):
        return _needs_others((*value.args, *value.kwargs.values()))
    return isinstance(value, Local | Path) or (isinstance(value, tuple | list) and any(map(_needs_others, value)))


def _count(value: Any) -> int:
    """How many numbers stand in nested lists."""
    if type(value) not in (list, tuple):
        return 1
    return sum(map(_count, value)) if any(type(item) in (list, tuple) for item in value) else len(value)


def _plain_device(key: str, value: Any) -> bool:
    return key in ("device", "dtype", "generator", "layout") and value is None
