"""Recording: while a space is built, every module keeps the call that constructed it.

`torch.nn.Module.__new__` is replaced once, when this file is imported, by a function that does nothing unless a space
is being built on its thread. It stays for good: CPython refuses constructor arguments once a `__new__` was removed.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from torch import nn

from raynas.errors import SpaceError
from raynas.nn.basic_unit import is_basic_unit
from raynas.search_space import expression
from raynas.serializer.call import KEY, RECORDED, Call, name_of, snapshot


@dataclass(frozen=True, eq=False)
class Construction(Call):
    """A module's constructor call, and when and where it was made.

    Attributes:
        index: its place among all constructions of the recording: the order in which random numbers were drawn.
        where: the file and line that called the constructor.
    """

    index: int = 0
    where: str = ""


@dataclass
class Tape:
    """What was constructed while a space was built, in order."""

    constructions: list[Construction] = field(default_factory=list)

    def construct(
        self, cls: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any], where: str
    ) -> Construction:
        call = Construction(cls, snapshot(args), snapshot(kwargs), len(self.constructions), where)
        self.constructions.append(call)
        RECORDED.add(name_of(cls))
        return call


class _Thread(threading.local):
    def __init__(self) -> None:
        self.tape: Tape | None = None


_thread = _Thread()


@contextmanager
def recording() -> Iterator[Tape]:
    """While this is open, modules that are constructed on this thread can be traced: they keep their constructor calls.

    >>> with recording():
    ...     layer = nn.Linear(2, 3)
    >>> construction(layer).args
    (2, 3)
    """
    if _thread.tape is not None:
        yield _thread.tape
        return
    _thread.tape = Tape()
    try:
        yield _thread.tape
    finally:
        _thread.tape = None


def construction(module: nn.Module) -> Construction | None:
    """How `module` was constructed; None where nobody recorded it."""
    call = module.__dict__.get(KEY)
    return call if isinstance(call, Construction) else None


def _new(cls: type[nn.Module], *args: Any, **kwargs: Any) -> Any:
    made = super(nn.Module, cls).__new__(cls)
    tape = _thread.tape
    if tape is None:
        return made
    caller = sys._getframe(1)
    if caller.f_code.co_filename.endswith(("copyreg.py", "copy.py")):
        return made  # a copy: it takes over the record of what it was copied from
    call = tape.construct(cls, args, kwargs, _line(caller))
    made.__dict__[KEY] = call
    if not any(True for _ in expression.leaves((args, kwargs))) or not is_basic_unit(cls):
        return made
    return _with_defaults(made, call)


def _with_defaults(made: nn.Module, call: Construction) -> nn.Module:
    """The basic unit as its choices' defaults make it, in a form whose `__init__` Python will not call again.

    Python skips `__init__` where `__new__` returns an instance of another class. So the unit leaves here as an
    `_Unread`, and becomes itself at the first touch.
    """
    cls = type(made)
    made.__init__(*expression.defaults(call.args), **expression.defaults(dict(call.kwargs)))  # type: ignore[misc]  # see above
    made.__dict__[KEY] = call
    try:
        object.__setattr__(made, "__class__", _Unread)
    except TypeError as error:
        raise SpaceError(
            f"{call.where}: {cls.__name__} cannot take a choice as an argument ({error}): "
            "build it in a LayerChoice, once for each value"
        ) from None
    return made


class _Unread(nn.Module):
    """A basic unit that nobody has touched since it was made with its choices' defaults."""

    def __getattribute__(self, name: str) -> Any:
        cls = object.__getattribute__(self, "__dict__")[KEY].target
        if name == "__class__":  # isinstance asks this, and trusts the answer only while it differs from the type
            return cls
        object.__setattr__(self, "__class__", cls)
        return getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, "__class__", self.__class__)
        setattr(self, name, value)


def _line(frame: FrameType | None) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""


nn.Module.__new__ = _new  # type: ignore[method-assign,assignment]  # the hook that this file is about
