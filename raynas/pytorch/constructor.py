"""What the constructors did beside making layers, as steps that the generated constructors do again.

From the tape of a recording only what still matters is kept: operations that changed a tensor which the model holds,
those that such operations needed, and those that took random numbers, so that all later ones come out the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from raynas.errors import SerializationError, TraceError
from raynas.graph import Apply, Path, Set, Unit
from raynas.graph.fixed import has_choice
from raynas.graph.member import Let, Local, Step
from raynas.nn import InputChoice, LayerChoice, Repeat, is_basic_unit
from raynas.nn.recording import construction
from raynas.nn.tape import WEIGHTS, Event, Tape, tensors_in
from raynas.pytorch.files import Files, same_tensors
from raynas.pytorch.names import name_of
from raynas.pytorch.places import paths_below
from raynas.pytorch.reasons import can_be_whole
from raynas.pytorch.state import TORCHS
from raynas.pytorch.tensors import creation
from raynas.pytorch.units import Whole, unit_of

OPERATORS = {
    f"__{name.strip('_')}__": f"operator.{name}"
    for name in ("getitem", "setitem", "add", "sub", "mul", "truediv", "floordiv", "pow", "matmul", "neg", "mod")
} | {f"__{name.strip('_')}__": f"operator.{name}" for name in ("and_", "or_", "xor", "invert", "lt", "le", "gt", "ge")}
WRITTEN = {
    "mul": ("operator.mul", 2),
    "add": ("operator.add", 2),
    "sub": ("operator.sub", 2),
    "div": ("operator.truediv", 2),
    "matmul": ("operator.matmul", 2),
    "neg": ("operator.neg", 1),
}
"""Methods of tensors that are mostly written as operators, and how many arguments they then have."""

REFLECTED = {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rsub__": "sub",
    "__rpow__": "pow",
    "__rtruediv__": "truediv",
    "__rdiv__": "truediv",
    "__rfloordiv__": "floordiv",
    "__rmatmul__": "matmul",
}
CALM = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.PReLU,
)
"""Units with parameters whose constructors take no random numbers."""


class Untold(Exception):
    """Something in a constructor cannot be written as source; the message says what."""


@dataclass(frozen=True, eq=False)
class Timed:
    """A step, and its place among all that was recorded."""

    index: int
    step: Step
    draws: bool


def draws(module: nn.Module) -> bool:
    """Whether a basic unit's constructor takes random numbers."""
    if isinstance(module, CALM):
        return False
    own = any(tensor is not None for tensor in module._parameters.values())
    return own or (bool(module._modules) and next(module.parameters(), None) is not None)


class Constructors:
    """The steps of all opened modules' constructors.

    Args:
        root: the model.
        opaque: modules that are kept whole: what happened in their constructors comes back with them.
        tape: the recording; None where there is none.
        below: paths of all that stands below a module, by object, as far as they are known.
        inherited: names of what a module's base class, if it is a basic unit, makes in it.

    Attributes:
        failed: a module whose constructor cannot be written, and why.
    """

    def __init__(
        self,
        root: nn.Module,
        opaque: set[nn.Module],
        tape: Tape | None,
        below: dict[nn.Module, dict[int, str]],
        inherited: Callable[[nn.Module], set[str]],
    ) -> None:
        self.inherited = inherited
        self.root = root
        self.opaque = opaque
        self.tape = tape
        self.steps: dict[nn.Module, list[Timed]] = {}
        self.values: dict[int, tuple[Any, int | None]] = {}
        self._below = below
        self._live = set(root.modules())
        self._owned: dict[int, tuple[Tensor, nn.Module]] = {}
        self._storages: dict[int, list[Tensor]] = {}
        for module, tensor in _tensors(root):
            self._owned.setdefault(id(tensor), (tensor, module))
            self._storages.setdefault(_storage(tensor), []).append(tensor)
        self._dropped: set[int] = set()
        self._first: dict[int, Tensor] = {}
        self._files = Files()
        self._chooses = any(isinstance(module, LayerChoice | InputChoice | Repeat) for module in self._live)
        if tape is not None and not self._chooses:
            self._chooses = any(has_choice((call.args, dict(call.kwargs))) for call in tape.constructions)
        if tape is not None:
            gone = (module for module in tape.modules if module not in self._live and _draws_itself(module))
            self._dropped = {_storage(tensor) for module in gone for tensor in module.parameters()}
            for tensor, before in tape.moved:
                self._first.setdefault(id(tensor), before)
                if id(tensor) in self._owned:
                    self._storages.setdefault(_storage(before), []).append(tensor)
            self._read(tape)

    def owner(self, tensor: Tensor) -> nn.Module:
        """The first module that holds a tensor of the model."""
        return self._owned[id(tensor)][1]

    def value(self, tensor: Tensor) -> tuple[Any, int | None] | None:
        """The expression that created an opened module's tensor, and when, where that counts; None: not recorded."""
        return self.values.get(id(tensor))

    def unwritable(self, tensor: Tensor) -> tuple[list[nn.Module], str]:
        """Why a tensor that no recorded call created cannot be written as its value, and the modules that it concerns.

        Its value would be that of one seed, or what it shares memory with would no longer change with it.
        """
        if _storage(tensor) in self._dropped:
            return [], "was made by a layer that the model does not keep"
        others = [other for other in self._storages.get(_storage(tensor), ()) if other is not tensor]
        return [self.owner(other) for other in others], "shares memory with another tensor" if others else ""

    def below(self, module: nn.Module) -> dict[int, str]:
        """Paths of all that stands below a module, by object."""
        if module not in self._below:
            self._below[module] = paths_below(module)
        return self._below[module]

    def _read(self, tape: Tape) -> None:
        events = [event for event in tape.events if not self._inside(event.scopes)]
        self._results: dict[int, tuple[Event, int | None]] = {}
        for event in events:
            if isinstance(event.result, Tensor):
                self._results.setdefault(id(event.result), (event, None))
                if _is(event, "__get__"):
                    continue
            for position, tensor in enumerate(tensors_in(event.result)):
                self._results.setdefault(id(tensor), (event, position))
        created = self._created(events)
        needed = self._needed(events, created)
        self._draw_points = sorted(
            [e.index for e in needed.values() if e.drew]
            + [c.index for c, m in zip(tape.constructions, tape.modules, strict=True) if _draws_itself(m)]
        )
        self._choose_locals(needed, created)
        self._homes: dict[int, nn.Module] = {}
        roots = [e for e in needed.values() if e.changed or e.drew]
        nested = self._nested_in([*roots, *(needed[index] for index in created)])
        for event in roots:
            if event.index in self._lets or event.index in nested or event.index in created:
                continue
            self._state(event)
        for index, tensors in created.items():
            for tensor in tensors:
                self._create(needed[index], tensor)
        for index, name in self._lets.items():
            event = needed[index]
            home = self._homes.get(index, self._home(event.scopes))
            self._put(home, Timed(index, Let(name, self._unit(event, home)), event.drew))
        self._dead(tape)
        for steps in self.steps.values():
            steps.sort(key=lambda timed: timed.index)

    def _inside(self, scopes: tuple[nn.Module, ...]) -> bool:
        return any(module in self.opaque for module in scopes)

    def _created(self, events: list[Event]) -> dict[int, list[Tensor]]:
        """By event: the tensors of the model whose values it created."""
        found: dict[int, list[Tensor]] = {}
        made: dict[tuple[Any, ...], Event] = {}
        for event in events:
            if isinstance(event.result, Tensor) and not self._shows_another(event):
                made.setdefault(_geometry(event.result), event)
        kept = {inner for whole in self.opaque for inner in whole.modules()}
        for tensor, module in self._owned.values():
            if module in kept:
                continue
            source = made.get(_geometry(self._first.get(id(tensor), tensor)))
            if source is not None:
                found.setdefault(source.index, []).append(tensor)
        return found

    def _shows_another(self, event: Event) -> bool:
        """Whether a result is, from one end of its storage to the other, a tensor that was there before it."""
        while True:
            inputs = [t for t in tensors_in((event.args, event.kwargs)) if _storage(t) == _storage(event.result)]
            if not inputs:
                return event.function in (torch.nn.Parameter,) or _is(event, "__get__")
            if any(item is event.result for item in inputs) or _is(event, "__get__"):
                return True
            source = self._results.get(id(inputs[0]))
            if source is None or source[0] is event or source[1] is not None:
                return source is None
            event = source[0]

    def _needed(self, events: list[Event], created: dict[int, list[Tensor]]) -> dict[int, Event]:
        needed: dict[int, Event] = {}
        storages: set[int] = set(self._storages)
        for event in reversed(events):
            touched = any(_storage(tensor) in storages for tensor in event.changed)
            if not (event.drew or touched or event.index in created or event.index in needed):
                continue
            needed[event.index] = event
            for tensor in tensors_in((event.args, event.kwargs)):
                if self._owner(tensor) is not None:
                    continue
                source = self._results.get(id(tensor))
                if source is not None and source[0] is not event:
                    needed.setdefault(source[0].index, source[0])
                    storages.add(_storage(tensor))
        return {event.index: event for event in events if event.index in needed}

    def _owner(self, tensor: Tensor) -> Tensor | None:
        """The model's own tensor that this one is, or shows from end to end."""
        if id(tensor) in self._owned:
            return tensor
        for owned in self._storages.get(_storage(tensor), ()):
            if _layout(self._first.get(id(owned), owned)) == _layout(tensor):
                return owned
        return None

    def _choose_locals(self, needed: dict[int, Event], created: dict[int, list[Tensor]]) -> None:
        """Which results get a variable: those used twice, changed later, or overtaken by other random numbers."""
        uses: Counter[int] = Counter()
        user: dict[int, Event] = {}
        for event in needed.values():
            for tensor in tensors_in((event.args, event.kwargs)):
                source = self._source(tensor)
                if source is not None:
                    uses[source.index] += 1
                    user[source.index] = event
        for index, tensors in created.items():
            uses[index] += len(tensors)
        writes = [event.index for event in needed.values() if event.changed]
        self._lets: dict[int, str] = {}
        for index, count in uses.items():
            if index not in needed:
                continue
            last = user[index].index if index in user else index
            between = [point for point in writes if index < point < last]
            between += [point for point in self._draw_points if index < point < last] if needed[index].drew else []
            if index in created and count == len(created[index]):
                continue
            if count > 1 or between:
                self._lets[index] = f"value_{len(self._lets)}" if self._lets else "value"

    def _source(self, tensor: Tensor) -> Event | None:
        """The event whose result a tensor is, where it is not one of the model's own."""
        if self._owner(tensor) is not None:
            return None
        found = self._results.get(id(tensor))
        return found[0] if found is not None else None

    def _nested_in(self, users: list[Event]) -> set[int]:
        """Events that stand inside others' arguments."""
        found: set[int] = set()

        def visit(event: Event) -> None:
            for tensor in tensors_in((event.args, event.kwargs)):
                source = self._source(tensor)
                if source is not None and source.index not in self._lets and source.index not in found:
                    found.add(source.index)
                    visit(source)

        for event in users:
            visit(event)
        return found

    def _state(self, event: Event) -> None:
        """The statement that one event becomes."""
        home = self._home(event.scopes, event)
        try:
            if _is(event, "__set__"):
                name = event.function.__self__.__name__
                target = self._expression(event.args[0], home)
                if name == "data" and isinstance(target, Path):
                    found = self._results.get(id(event.args[1]))
                    if found is not None and found[1] is None and found[0].index not in self._lets:
                        value: Any = self._unit(found[0], home)
                    else:
                        value = self._expression(event.args[1], home, event)
                    self._put(home, Timed(event.index, Set(f"{target.path}.data", value), self._draws(event)))
                return
            unit = self._loading(event, home) if event.function == WEIGHTS else None
            unit = unit or self._unit(event, home, self._blank(event))
        except Untold as why:
            if not event.drew and self.root not in event.scopes and home is self.root:
                return  # the factory gives other values: a comparison of fresh weights tells
            raise self._failed(home, event, why) from None
        self._put(home, Timed(event.index, Apply(unit.target, unit.args, unit.kwargs), self._draws(event)))

    def _loading(self, event: Event, home: nn.Module) -> Unit:
        """`module.load_state_dict(…)` of a file in which all stands that was loaded, or of another module's state."""
        assert self.tape is not None
        module, weights, strict, assign = event.args
        if self._chooses:
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
            if own.keys() == weights.keys() and all(self._owner(weights[key]) is own[key] for key in own):
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

    def _blank(self, event: Event) -> dict[int, Any]:
        """In place of a tensor that is not kept, and is only filled with random numbers: an empty one of its shape."""
        if not event.drew:
            return {}
        return {
            id(tensor): Unit("torch.empty", (tuple(tensor.shape),), {"dtype": tensor.dtype})
            for tensor in event.changed
            if self._owner(tensor) is None and id(tensor) not in self._results
        }

    def _create(self, event: Event, tensor: Tensor) -> None:
        _, module = self._owned[id(tensor)]
        index = event.index
        unit_owned = is_basic_unit(type(module)) or any(
            getattr(module, name, None) is tensor for name in self.inherited(module)
        )
        home = self._home((*event.scopes, module) if not unit_owned else event.scopes, event)
        try:
            value = Local(self._lets[index]) if index in self._lets else self._unit(event, home)
        except Untold as why:
            raise self._failed(home, event, why) from None
        if index in self._lets:
            self._homes[index] = home
        drew = self._draws(event)
        if not unit_owned and (home is module or type(module) in (nn.ParameterList, nn.ParameterDict)):
            self.values[id(tensor)] = value, index if drew or _needs_others(value) else None
            return
        path = self.below(home).get(id(tensor))
        if path is None:
            return
        if isinstance(tensor, nn.Parameter):
            value = Unit("torch.nn.Parameter", (value,))
        self._put(home, Timed(index, Set(path, value), drew))

    def _draws(self, event: Event) -> bool:
        """Whether an event, or one that stands in its arguments, takes random numbers."""
        if event.drew:
            return True
        sources = [self._source(tensor) for tensor in tensors_in((event.args, event.kwargs))]
        return any(s is not None and s is not event and s.index not in self._lets and self._draws(s) for s in sources)

    def _failed(self, home: nn.Module, event: Event, why: Untold) -> Exception:
        if home is self.root and self.root not in event.scopes:
            return TraceError(
                f"the function that builds the model initialises it in a way that cannot be written as source ({why}): "
                "move that into a module's constructor"
            )
        return Whole(home, f"its constructor cannot be written as source: {why}")

    def _unit(self, event: Event, home: nn.Module, known: dict[int, Any] | None = None) -> Unit:
        target, args = self._target(event)
        values = [self._expression(arg, home, event, known) for arg in args]
        kwargs = {
            k: self._expression(v, home, event, known) for k, v in event.kwargs.items() if not _plain_device(k, v)
        }
        return Unit(target, tuple(values), kwargs)

    def _target(self, event: Event) -> tuple[str, tuple[Any, ...]]:
        function, args = event.function, event.args
        if isinstance(function, str):
            return f".{function}", args
        name = getattr(function, "__name__", "")
        if name == "__get__":
            return "builtins.getattr", (args[0], function.__self__.__name__)
        if name in OPERATORS:
            return OPERATORS[name], args
        if name in REFLECTED:
            return f"operator.{REFLECTED[name]}", args[::-1]
        if name.startswith("__"):
            raise Untold(f"it calls {name} of a tensor")
        if name in WRITTEN and len(args) == WRITTEN[name][1] and not event.kwargs:
            return WRITTEN[name][0], args
        if getattr(torch.Tensor, name, None) is function or "TensorBase" in getattr(function, "__qualname__", ""):
            return f".{name}", args
        if getattr(torch, name, None) is function:
            return f"torch.{name}", args
        try:
            return name_of(function), args
        except SerializationError as error:
            raise Untold(str(error)) from None

    def _expression(
        self, value: Any, home: nn.Module, user: Event | None = None, known: dict[int, Any] | None = None
    ) -> Any:
        if isinstance(value, Tensor):
            if known and id(value) in known:
                return known[id(value)]
            owner = self._owner(value)
            if owner is not None:
                path = self.below(home).get(id(owner))
                if path is None:
                    raise Untold("it uses a tensor of another module")
                return Path(path)
            source = self._results.get(id(value))
            if source is not None and source[0] is not user:
                event, position = source
                if event.index in self._lets:
                    self._homes.setdefault(event.index, home)
                    made: Any = Local(self._lets[event.index])
                elif _is(event, "__get__") and event.function.__self__.__name__ == "data":
                    return self._expression(event.args[0], home, event, known)
                else:
                    made = self._unit(event, home, known)
                return made if position is None else Unit("operator.getitem", (made, position))
            literal = creation(value.detach())
            if literal is None or _storage(value) in self._dropped:
                raise Untold("it uses a tensor that nobody recorded")
            return literal
        if isinstance(value, nn.Module):
            path = self.below(home).get(id(value))
            if path is None:
                raise Untold(f"it uses a {type(value).__name__} that the model does not keep")
            return Path(path)
        if type(value) in (list, tuple, torch.Size):
            items = [self._expression(item, home, user, known) for item in value]
            return items if type(value) is list else tuple(items)
        if type(value) is slice:
            return slice(*(self._expression(v, home, user, known) for v in (value.start, value.stop, value.step)))
        if value is None or value is ... or type(value) in (int, float, bool, str, complex):
            return value
        if isinstance(value, torch.dtype | torch.memory_format | torch.layout | torch.device):
            return value
        raise Untold(f"it passes a {type(value).__name__} to {user.function if user else 'a function'}")

    def _home(self, scopes: tuple[nn.Module, ...], event: Event | None = None) -> nn.Module:
        """The innermost opened module in whose constructor something happened and that holds all that it needs."""
        wanted = [id(owner) for owner in self._owners(event)] if event is not None else []
        for module in reversed(scopes):
            if module not in self._live or not can_be_whole(module):
                continue
            if all(item in self.below(module) for item in wanted):
                return module
        return self.root

    def _owners(self, event: Event) -> Iterator[Any]:
        """The model's tensors and modules that an event and those nested in it need."""
        for item in (*event.args, *event.kwargs.values()):
            if isinstance(item, nn.Module):
                yield item
        for tensor in tensors_in((event.args, event.kwargs)):
            owner = self._owner(tensor)
            if owner is not None:
                yield owner
                continue
            source = self._results.get(id(tensor))
            if source is not None and source[0] is not event and source[0].index < event.index:
                yield from self._owners(source[0])

    def _dead(self, tape: Tape) -> None:
        """Units that were made and not kept, as statements: they took random numbers."""
        for call, module, scopes in zip(tape.constructions, tape.modules, tape.scopes, strict=True):
            if module in self._live or not _draws_itself(module) or self._inside(scopes):
                continue
            if any(construction(kept) is call for kept in self._live):
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


def _draws_itself(module: nn.Module) -> bool:
    return is_basic_unit(type(module)) and draws(module)


def _is(event: Event, name: str) -> bool:
    return getattr(event.function, "__name__", "") == name


def _tensors(root: nn.Module) -> Iterator[tuple[nn.Module, Tensor]]:
    for module in root.modules():
        others = [value for name, value in module.__dict__.items() if name not in TORCHS]
        for tensor in [*module._parameters.values(), *module._buffers.values(), *others]:
            if isinstance(tensor, Tensor):
                yield module, tensor


def _storage(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # of a sparse tensor, or of one without a shape yet
        return id(tensor)


def _layout(tensor: Tensor) -> tuple[Any, ...]:
    if is_lazy(tensor) or tensor.layout != torch.strided:
        return (id(tensor),)
    return tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype


def _geometry(tensor: Tensor) -> tuple[Any, ...]:
    return _storage(tensor), *_layout(tensor)


def _plain_device(key: str, value: Any) -> bool:
    return key in ("device", "dtype", "generator", "layout") and value is None
