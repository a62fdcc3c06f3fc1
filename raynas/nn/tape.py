"""Tape: all that constructors did while a space was built, in order.

Beside the constructor calls these are operations on tensors, as far as they happen outside basic units: a basic unit's
own initialisation comes back with its constructor call. What of them the generated constructors must do again is
decided later, when it is known what the model kept.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from raynas.nn.basic_unit import is_basic_unit
from raynas.nn.earlier import as_passed, pictured
from raynas.search_space import Leaf
from raynas.serializer.call import RECORDED, Call, name_of, snapshot

INIT = nn.init.__file__
MODULE = sys.modules[nn.Module.__module__].__file__
LOADERS = {
    ("torch/serialization.py", "load"): ("torch.load", "f"),
    ("torch/hub.py", "load_state_dict_from_url"): ("torch.hub.load_state_dict_from_url", "url"),
    ("safetensors/torch.py", "load_file"): ("safetensors.torch.load_file", "filename"),
}
"""Functions that read tensors from a file, by their own file and name: how they are called, and what names the file."""

WEIGHTS = "load_state_dict"
CONVERSIONS = ("to", "double", "float", "half", "bfloat16", "type")


@dataclass(frozen=True, eq=False)
class Construction(Call):
    """A module's constructor call, and when and where it was made.

    Attributes:
        index: its place among all that was recorded: the order in which random numbers were drawn.
        where: the file and line that called the constructor.
        tape: all that was recorded with it; None in a copy from another process.
        late: the objects among its arguments that were written to since; the arguments hold what they were.
    """

    index: int = 0
    where: str = ""
    tape: Tape | None = field(default=None, repr=False)
    late: tuple[Any, ...] = field(default=(), repr=False)

    def correct(self, then: Any) -> None:
        """Have the arguments be what was passed, as a picture of them shows it."""
        late: list[Any] = []
        args, kwargs = as_passed((self.args, self.kwargs), then, late)
        for name, value in (("args", args), ("kwargs", kwargs), ("late", tuple(late))) if late else ():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return Construction, (self.target, self.args, dict(self.kwargs), self.index, self.where)


@dataclass(eq=False)
class Event:
    """One operation on tensors.

    Attributes:
        index: its place among all that was recorded.
        function: what was called; a text is the name of a method of the first argument.
        args, kwargs: as passed.
        result: what it returned.
        scopes: the modules in whose constructors it happened, outermost first.
        changed: the tensors among its arguments that it wrote to.
        drew: whether it took random numbers from torch's generator.
        frame: of the function of `torch.nn.init` that stands for several operations.
    """

    index: int
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    scopes: tuple[nn.Module, ...]
    changed: list[Tensor]
    drew: bool
    frame: FrameType | None = None

    @cached_property
    def inputs(self) -> list[Tensor]:
        """The tensors among its arguments."""
        return list(tensors_in((self.args, self.kwargs)))


@dataclass(frozen=True)
class Load:
    """A call that read tensors from a file: the function's name, and the file's."""

    function: str
    file: str


class Tape:
    """What was constructed and done while a space was built.

    Attributes:
        constructions: the constructor calls.
        modules: the module that each of them made; its copies share the call.
        scopes: for each of them, the modules in whose constructors it was made, outermost first.
        bases: of modules that derive from a basic unit, the call of that one's constructor.
        copied: modules that are copies of others, and when they were made.
        choices: the choices of values that were made.
        events: the operations on tensors.
        loads: the calls that read tensors from files.
        moved: tensors that were given another storage, each with the one that it had.
        random_state: of torch's generator when the recording began.
        outside: the states of Python's and NumPy's generators then.
        drew_outside: whether these were other ones when it ended.
        paused: whether nothing is noted at the moment.
    """

    def __init__(self) -> None:
        self.constructions: list[Construction] = []
        self.modules: list[nn.Module] = []
        self.scopes: list[tuple[nn.Module, ...]] = []
        self.bases: dict[nn.Module, Call] = {}
        self.copied: dict[nn.Module, int] = {}
        self.choices: list[Leaf] = []
        self.events: list[Event] = []
        self.loads: list[Load] = []
        self.moved: list[tuple[Tensor, Tensor]] = []
        self.random_state = torch.get_rng_state()
        self.outside = generators()
        self.drew_outside = False
        self.paused = False
        self._count = 0
        self._pictures: list[Any] = []

    def construct(
        self, made: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType | None
    ) -> Construction:
        """Note a constructor call, made from `frame`."""
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""
        cls = type(made)
        call = Construction(cls, snapshot(args), snapshot(kwargs), self.tick(), where, self)
        self.constructions.append(call)
        self.modules.append(made)
        self.scopes.append(scopes_of(frame)[0])
        self._pictures.append(_picture((call.args, call.kwargs)))
        RECORDED.add(name_of(cls))
        return call

    def tick(self) -> int:
        self._count += 1
        return self._count

    def close(self) -> None:
        """End the recording: let go of the stack, and of modules whose constructor raised and was caught."""
        now = generators()
        self.drew_outside = now[0] != self.outside[0] or not numpy.array_equal(now[1][1], self.outside[1][1])
        self.drew_outside = self.drew_outside or now[1][2] != self.outside[1][2]
        for event in self.events:
            event.frame = None
        for call, then in zip(self.constructions, self._pictures, strict=True):
            call.correct(then)
        self._pictures.clear()
        rows = zip(self.constructions, self.modules, self.scopes, strict=True)
        kept = [row for row in rows if "_modules" in object.__getattribute__(row[1], "__dict__")]
        self.constructions = [call for call, _, _ in kept]
        self.modules = [module for _, module, _ in kept]
        self.scopes = [scopes for _, _, scopes in kept]


class Watch(TorchFunctionMode):
    """While this is open, operations on tensors outside basic units are noted on a tape."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if self.tape.paused or any(issubclass(kind, Proxy) for kind in types):
            return func(*args, **kwargs)  # it is looked at, or a forward is being traced
        scopes, skip, whole = scopes_of(sys._getframe(1))
        if whole is not None and (load := _load(whole)) is not None:
            if load not in self.tape.loads:
                self.tape.loads.append(load)
            skip = True
        if skip:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name == "__set__" and func.__self__ is torch.Tensor.data and not is_lazy(args[0]):
            self.tape.moved.append((args[0], args[0].detach()))
        before = torch.get_rng_state()
        inputs = [(tensor, tensor._version) for tensor in tensors_in((args, kwargs))]
        result = func(*args, **kwargs)
        changed = [tensor for tensor, version in inputs if tensor._version != version]
        if name == "__set__" and func.__self__ is torch.Tensor.data:
            changed.append(args[0])
        drew = not torch.equal(before, torch.get_rng_state())
        events = self.tape.events
        if whole is None:
            events.append(Event(self.tape.tick(), func, tuple(args), kwargs, result, scopes, changed, drew))
        elif events and events[-1].frame is whole:
            events[-1].drew |= drew
            events[-1].changed += changed
        else:
            function, arguments, named = _called(whole)
            event = Event(self.tape.tick(), function, arguments, named, None, scopes, changed, drew, whole)
            events.append(event)
        return result


def _picture(arguments: Any) -> Any:
    try:
        return pictured(arguments)
    except Exception:  # nested too deeply, or whatever a user's class raises
        return arguments


def generators() -> tuple[Any, Any]:
    """The states of Python's and NumPy's shared generators of random numbers."""
    return random.getstate(), numpy.random.get_state()


def scopes_of(frame: FrameType | None) -> tuple[tuple[nn.Module, ...], bool, FrameType | None]:
    """In whose constructors a frame runs; whether inside a basic unit's or a copy; the known function around it."""
    found: list[nn.Module] = []
    whole: FrameType | None = None
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if code.co_name == "__init__" and code.co_argcount:
            module = frame.f_locals.get(code.co_varnames[0])
            if isinstance(module, nn.Module) and "_modules" in module.__dict__:
                home = frame.f_globals.get("__name__", "")
                if is_basic_unit(type(module)) or (
                    home.startswith(("torch.nn.modules.", "torch.ao.nn."))
                    and home not in ("torch.nn.modules.module", "torch.nn.modules.container")
                ):
                    return (), True, None
                if not found or found[-1] is not module:
                    found.append(module)
        elif file == INIT or (file == MODULE and code.co_name in (*CONVERSIONS, WEIGHTS)):
            public = not code.co_name.startswith("_") and hasattr(nn.init, code.co_name)  # the old names only pass on
            if public or file == MODULE:
                whole = frame
        elif code.co_name in LOADS and _loader(code) is not None:
            whole = frame
        elif file.endswith("/copy.py") and code.co_name == "deepcopy":
            return (), True, None
        frame = frame.f_back
    return tuple(found[::-1]), False, whole


LOADS = frozenset(name for _, name in LOADERS)


def _loader(code: CodeType) -> tuple[str, str] | None:
    """Which function that reads a file a piece of code is."""
    place = "/".join(Path(code.co_filename).parts[-2:])
    return LOADERS.get((place, code.co_name))


def _load(frame: FrameType) -> Load | None:
    """The call that reads a file, where a frame is one."""
    found = _loader(frame.f_code) if frame.f_code.co_name in LOADS else None
    if found is None:
        return None
    file = frame.f_locals.get(found[1])
    return Load(found[0], str(file) if isinstance(file, str | PathLike) else "")


def _called(frame: FrameType) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """The call that a frame is: its function, and the arguments as they stand in its variables."""
    code, values = frame.f_code, frame.f_locals
    if code.co_filename == MODULE:
        named = values.get("kwargs", {})
        others = values["args"] if "args" in values else [values[n] for n in code.co_varnames[1 : code.co_argcount]]
        return code.co_name, (values["self"], *others), dict(named)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    function = getattr(nn.init, code.co_name)
    first, *others = names
    import inspect

    defaults = {name: item.default for name, item in inspect.signature(function).parameters.items()}
    given = {name: values[name] for name in others if values[name] is not None or defaults.get(name) is not None}
    return function, (values[first],), {k: v for k, v in given.items() if not _same(v, defaults.get(k))}


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in a call's arguments or result."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
