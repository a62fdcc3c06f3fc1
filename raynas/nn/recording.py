"""Recording: while a space is built, every module keeps the call that constructed it.

`torch.nn.Module.__new__` is replaced once, when this file is imported, by a function that does nothing unless a space
is being built on its thread. It stays for good: CPython refuses constructor arguments once a `__new__` was removed.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from raynas.errors import SpaceError
from raynas.nn.basic_unit import is_basic_unit
from raynas.nn.tape import Construction, Tape, Watch
from raynas.search_space import Leaf, expression
from raynas.serializer.call import KEY, Call, snapshot


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
    tape = _thread.tape = Tape()
    try:
        with Watch(tape):
            yield tape
    finally:
        _thread.tape = None
        tape.close()


@contextmanager
def paused() -> Iterator[None]:
    """While this is open, nothing is recorded on this thread, unless another recording is begun."""
    tape, _thread.tape = _thread.tape, None
    if tape is not None:
        tape.paused = True
    try:
        yield
    finally:
        _thread.tape = tape
        if tape is not None:
            tape.paused = False


def note_choice(leaf: Leaf) -> None:
    """Note a choice that is made while a space is built."""
    if _thread.tape is not None:
        _thread.tape.choices.append(leaf)


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
        tape.copied[made] = tape.tick()
        return made  # a copy: it takes over the record of what it was copied from
    call = tape.construct(made, args, kwargs, caller)
    made.__dict__[KEY] = call
    leaf = None if is_basic_unit(cls) else leaf_of(cls)
    if leaf is not None:
        _note_base(leaf)
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


def leaf_of(cls: type[nn.Module]) -> type[nn.Module] | None:
    """The basic unit that a class derives from; None where it derives from containers only."""
    return next((base for base in cls.__mro__ if is_basic_unit(base)), None)


def _note_base(leaf: type[nn.Module]) -> None:
    """From now on the constructor of `leaf` notes its arguments where it runs for a class derived from it."""
    original = leaf.__init__
    if hasattr(original, "_raynas_noted"):
        return

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if _thread.tape is not None and type(self) is not leaf and leaf_of(type(self)) is leaf:
            _thread.tape.bases[self] = Call(leaf, snapshot(args), snapshot(kwargs))
        original(self, *args, **kwargs)

    __init__._raynas_noted = True  # type: ignore[attr-defined]  # so that it is wrapped once
    leaf.__init__ = __init__  # type: ignore[method-assign]  # it does the same, and notes how


nn.Module.__new__ = _new  # type: ignore[method-assign,assignment]  # the hook that this file is about
