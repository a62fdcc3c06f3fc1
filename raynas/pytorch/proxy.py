"""Traced: torch.fx's Proxy, without the places in which it would quietly record something else than what happens."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import fx

from raynas.pytorch.messages import in_assertion

TORCH = str(Path(torch.__file__).parent)


class Untraceable(Exception):
    """A forward pass does something that a graph cannot hold; the message says what, and where if it is `located`.

    The one raised last is kept, so that a forward which catches it is found out.
    """

    raised: Untraceable | None = None

    def __init__(self, why: str, located: bool = False) -> None:
        super().__init__(why)
        self.located = located
        Untraceable.raised = self


MAYBE_NONE = ("grad", "grad_fn", "_base", "names")
"""Attributes of tensors that may be None."""

ROWS = "rows"
"""In the `meta` of a node that reads a parameter or buffer: how many rows that has at every call."""

HERE = str(Path(__file__).parent)


PYTHON = str(Path(dis.__file__).parent)
PACKAGES = ("site-packages", "dist-packages")


def is_pythons(file: str) -> bool:
    """Whether a file of code is Python's own; packages that were installed may stand below it."""
    return file.startswith("<frozen") or (file.startswith(PYTHON) and not any(part in file for part in PACKAGES))


def is_inside(frame: FrameType) -> bool:
    """Whether code of torch or of this room asks."""
    return frame.f_code.co_filename.startswith((TORCH, HERE))


TYPES = (isinstance, issubclass)
ABSTRACT = ("<frozen abc>", "abc.py")
"""Where Python finds out whether an object is of an abstract class."""


def _may_ask_for_types(frame: FrameType) -> bool:
    """Whether a user's code can be what asks for a type, and not torch's own below it, which parses its arguments."""
    names = {*frame.f_code.co_names, *frame.f_code.co_freevars, *frame.f_code.co_varnames}
    if not names.isdisjoint(("isinstance", "issubclass", "__class__")):
        return True
    if any(step.opname == "MATCH_CLASS" for step in dis.get_instructions(frame.f_code)):
        return True
    known = {**frame.f_globals, **frame.f_locals}
    holders = [value for name, value in known.items() if name in names]
    return any(any(item is ask for ask in TYPES) for holder in holders for item in _reached(holder, names))


def _reached(holder: Any, names: set[str]) -> Iterator[Any]:
    """An object that code names, and those that it may read of it."""
    yield holder
    own = getattr(holder, "__dict__", None) if not issubclass(type(holder), fx.Proxy) else None
    if isinstance(own, Mapping):
        yield from (value for name, value in own.items() if name in names)
    if isinstance(holder, list | tuple | dict):
        yield from holder.values() if isinstance(holder, dict) else holder


SPREADS = ("LIST_EXTEND", "CALL_FUNCTION_EX")
"""Instructions that spread a value with `*`."""


def operation(frame: FrameType) -> str:
    """The instruction at which a frame stands."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]]


def _asks_by_name(frame: FrameType) -> bool:
    """Whether an attribute is asked for through `hasattr` or `getattr`, and not by a dot."""
    return not is_inside(frame) and operation(frame) in ("CALL", "PRECALL", "CALL_KW")


class Traced(fx.Proxy):
    """A value of a forward pass that is being traced.

    It has no `__index__`, not even one that refuses: torch's functions would ask it in place of making a node.
    """

    @property  # type: ignore[misc]  # isinstance reads it on purpose
    def __class__(self) -> Any:
        """What `isinstance` sees: torch's own code sees a proxy; the user's would be told something untrue."""
        caller: FrameType | None = sys._getframe(1)
        while caller is not None and caller.f_code.co_filename.endswith(ABSTRACT):
            caller = caller.f_back
        if caller is None or is_inside(caller) or not _may_ask_for_types(caller):
            return Traced
        raise Untraceable("asks for the type of a value that only the run knows")

    def __getattr__(self, name: str) -> Any:
        if not hasattr(torch.Tensor, name) and _asks_by_name(sys._getframe(1)):
            raise Untraceable(f"asks whether a value has the attribute '{name}'")
        made = Attribute(self, name)
        if name in MAYBE_NONE or not (hasattr(torch.Tensor, name) or hasattr(dict, name)):
            _ = made.node  # so that a comparison with None is seen
        return made

    __array_ufunc__ = None  # so that NumPy's numbers leave arithmetic to torch

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Untraceable("makes a NumPy array of a value that only the run knows")

    def __repr__(self) -> str:
        caller = sys._getframe(1)
        if not is_inside(caller) and not in_assertion(caller):
            raise Untraceable("makes a text of a value that only the run knows")
        return f"{type(self).__name__}({self.node.name})"

    __str__ = __repr__

    def __format__(self, form: str) -> str:
        if not in_assertion(sys._getframe(1)):
            raise Untraceable("makes a text of a value that only the run knows")
        return "…"

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("tracer", "node"):
            raise Untraceable(f"sets the attribute '{name}' of a tensor")
        object.__setattr__(self, name, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})

    def __hash__(self) -> int:
        if not is_inside(sys._getframe(1)):
            raise Untraceable("looks up a value that only the run knows in a dict or set")
        return id(self)

    def __len__(self) -> int:
        if operation(sys._getframe(1)) in SPREADS:
            raise TypeError  # Python only asks how much room to make: it does without
        raise Untraceable("asks for the length of a tensor with len(): use x.size(0)")

    def __int__(self) -> int:
        raise Untraceable("makes a number of a value that only the run knows")

    def __float__(self) -> float:
        raise Untraceable("makes a number of a value that only the run knows")

    def __contains__(self, item: Any) -> bool:
        raise Untraceable("asks whether a tensor contains a value")


class Flag(Traced):
    """A module's `training`: where a number is made of it, or it is compared or looked up, each way has its own."""

    def __index__(self) -> int:
        return int(bool(self))

    __int__ = __index__

    def __float__(self) -> float:
        return float(bool(self))

    def __eq__(self, other: object) -> Any:
        return bool(self) == other

    def __ne__(self, other: object) -> Any:
        return bool(self) != other

    def __hash__(self) -> int:
        return id(self) if is_inside(sys._getframe(1)) else hash(bool(self))


class Attribute(Traced):
    """`value.name`: a node of its own if it is used as a value, a method call if it is called."""

    def __init__(self, root: Traced, name: str) -> None:
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "tracer", root.tracer)
        object.__setattr__(self, "_node", None)

    @property
    def node(self) -> Any:  # type: ignore[override]  # made when it is asked for
        if self._node is None:
            made = self.tracer.create_proxy("call_function", getattr, (self.root, self.name), {})
            object.__setattr__(self, "_node", made.node)
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.name, (self.root, *args), kwargs)


def is_traced(value: Any) -> bool:
    """Whether `value` is one that only the run knows."""
    return issubclass(type(value), Traced)


def _in_place(name: str) -> Any:
    function = getattr(operator, name)

    def method(self: Traced, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    return method


for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor", "imatmul"):
    setattr(Traced, f"__{_name}__", _in_place(_name))
