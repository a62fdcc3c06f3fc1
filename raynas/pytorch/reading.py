"""Reading a forward's code for what a proxy cannot see."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy
from torch import nn

from raynas.pytorch.leaves import Leaf, leaf_at
from raynas.pytorch.proxy import TORCH, is_pythons
from raynas.pytorch.stand_ins import Use, means_builtin
from raynas.pytorch.state import ATOMS, is_foreign
from raynas.pytorch.steps import Step, chain_end, compares, is_passed, is_self, is_tested, none_tests, steps_of
from raynas.pytorch.suspects import (
    CHANGING,
    CONTEXTS,
    DRAWING,
    FILLING,
    FUNCTIONS,
    INSIDES,
    MATCHES,
    WORLD,
    functions_in,
    why_not,
)

MACHINERY = (
    *("__call__", "_call_impl", "train", "eval", "_apply", "get_extra_state", "set_extra_state", "state_dict"),
    *("load_state_dict", "_save_to_state_dict", "_load_from_state_dict", "register_forward_hook", "named_parameters"),
)
"""Methods of every module that others call: a class that overrides one of them is more than its forward."""

OTHERS = ("torch.", "pytorch_lightning.", "lightning.", "raynas.")
"""Packages whose base classes may override them."""

INPLACE_OR = 20
"""What `|=` is in Python's bytecode."""

CONSTRUCTION = ("__new__", "__init__", "__post_init__", "__call__", "__getattr__", "__getitem__", "__iter__", "__len__")
"""What is called of a helper's class without its name."""


@dataclass(frozen=True)
class Reading:
    """What a class's forward, and all code of the user that it reaches, would hide from a proxy.

    Attributes:
        why: why it cannot be traced; empty where nothing is found.
        places: functions that give the objects outside the module that the code reaches and could change.
        words: the names of all attributes that the code mentions.
        asked: by code, the parameters that are compared with None.
        kinds: what else is compared with None: the result of a `call`, an `item`, an `attribute`.
        changes: whether the code may change lists, dicts or attributes of objects.
        sets: whether it may set attributes of other objects than its module.
        fills: whether it may change a dict of plain values.
        uses: of builtins that make numbers.
        leaves: the functions that it names and that torch.jit compiled.
    """

    why: str
    places: tuple[Callable[[], Any], ...]
    words: frozenset[str]
    asked: Mapping[types.CodeType, frozenset[str]]
    kinds: frozenset[str]
    changes: bool
    sets: bool
    fills: bool
    uses: tuple[Use, ...]
    leaves: tuple[Leaf, ...]


@lru_cache(maxsize=4096)
def read(cls: Any, others: frozenset[type]) -> Reading:
    """What is found in a class's forward.

    Args:
        cls: the module's class.
        others: classes of the objects whose methods it may call.
    """
    reader = _Reader(cls, others)
    forward = next((vars(base)["forward"] for base in cls.__mro__ if "forward" in vars(base)), None)
    reader.value(forward, is_method=not isinstance(forward, staticmethod))
    return reader.reading()


@lru_cache(maxsize=4096)
def overridden(cls: Any) -> str:
    """Which method that torch calls a class has of its own, in words; empty where it has none."""
    for name in MACHINERY:
        owner = next(base for base in cls.__mro__ if name in vars(base))
        if not owner.__module__.startswith(OTHERS):
            return f"overrides {name}()"
    return ""


@lru_cache(maxsize=1024)
def may_draw(cls: Any, by_name: bool = True) -> bool:
    """Whether a class's constructor may take random numbers that are not torch's.

    Args:
        cls: the class.
        by_name: whether a name is enough (`generator.normal()`); else it must be Python's or NumPy's own generator.
    """
    reader = _Reader(cls, frozenset({cls}))
    reader.method("__init__", everywhere=False)
    return reader.draws or (by_name and not DRAWING.isdisjoint(reader.words))


def read_function(function: Any, cls: type, others: frozenset[type]) -> Reading:
    """What is found in a function that a module of this class keeps."""
    reader = _Reader(cls, others)
    reader.value(function)
    return reader.reading()


class _Reader:
    def __init__(self, cls: type, others: frozenset[type]) -> None:
        self.cls = cls
        self.table = _members(others)
        self.why = ""
        self.places: dict[int, Callable[[], Any]] = {}
        self.words: set[str] = set()
        self.asked: dict[types.CodeType, frozenset[str]] = {}
        self.kinds: set[str] = set()
        self.seen: set[Any] = set()
        self.helpers: list[type] = []
        self.changes = False
        self.draws = False
        self.sets = False
        self.fills = False
        self.uses: list[Use] = []
        self.leaves: dict[tuple[int, str], Leaf] = {}
        for base in cls.__mro__:
            if not is_foreign(base):
                self.place(base)

    def reading(self) -> Reading:
        return Reading(
            self.why,
            tuple(self.places.values()),
            frozenset(self.words),
            self.asked,
            frozenset(self.kinds),
            self.changes or not CHANGING.isdisjoint(self.words),
            self.sets,
            self.fills or not FILLING.isdisjoint(self.words),
            tuple(self.uses),
            tuple(self.leaves.values()),
        )

    def find(self, why: str) -> None:
        self.why = self.why or why

    def place(self, value: Any, get: Callable[[], Any] | None = None) -> None:
        self.places.setdefault(id(value), get or (lambda: value))

    def method(self, word: str, everywhere: bool = True) -> None:
        """Read what a class of this module, or of what it holds, has under a name."""
        own = [vars(base)[word] for base in self.cls.__mro__ if word in vars(base)]
        for found in [*own, *(self.table.get(word, ()) if everywhere else ())]:
            self.value(found, is_method=not isinstance(found, staticmethod))
        for cls in tuple(self.helpers):
            self._of_helper(cls, word)

    def helper(self, cls: type) -> None:
        """Read what a class does that the code uses: when it is called, and under the names that the code mentions."""
        if cls in self.helpers or is_foreign(cls) or issubclass(cls, nn.Module):
            return
        self.helpers.append(cls)
        for word in (*CONSTRUCTION, *self.words):
            self._of_helper(cls, word)

    def _of_helper(self, cls: type, word: str) -> None:
        for base in cls.__mro__:
            if word in vars(base) and not is_foreign(base):
                self.value(vars(base)[word], is_method=not isinstance(vars(base)[word], staticmethod))

    def value(self, found: Any, is_method: bool = False) -> None:
        """Read a function, in whatever it is wrapped."""
        if isinstance(found, staticmethod | classmethod | types.MethodType):
            self.value(found.__func__, is_method)
        elif isinstance(found, property):
            if found.fget is not None:
                self.value(found.fget, True)
        elif isinstance(found, functools.cached_property):
            self.value(found.func, True)
        elif isinstance(found, functools.partial):
            self.place(found.args)
            self.place(found.keywords)
            self.value(found.func)
        elif isinstance(found, functools._lru_cache_wrapper):
            if not is_foreign(found.__wrapped__):
                place = place_of(found.__wrapped__.__code__)
                self.find(f"{place}: calls {found.__name__}(), which keeps its results from one call to the next")
        elif isinstance(found, types.FunctionType):
            self.function(found, is_method)

    def function(self, function: types.FunctionType, is_method: bool) -> None:
        code = function.__code__
        inner = getattr(function, "__wrapped__", None)
        if code in self.seen:
            return
        self.seen.add(code)
        if inner is not None:
            if code.co_filename.endswith(("_contextlib.py", "autocast_mode.py", "contextlib.py")):
                self.find(f"{place_of(getattr(inner, '__code__', code))}: runs under a context of its decorator")
            self.value(inner, is_method)
        if code.co_filename.startswith(TORCH) or is_pythons(code.co_filename) or is_foreign(function):
            return
        if function.__closure__ or function.__defaults__ or vars(function):
            self.place(function)
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
        self.code(code, function.__globals__, cells, is_method)

    def code(
        self, code: types.CodeType, names: dict[str, Any], cells: dict[str, types.CellType], is_method: bool
    ) -> None:
        steps = steps_of(code)
        for position, step in enumerate(steps):
            why = self._step(code, steps, position, names, cells, is_method)
            if why:
                self.find(f"{code.co_filename}:{step.line}: {why}")
        parameters, kinds = none_tests(code, steps, is_method)
        if parameters:
            self.asked[code] = parameters
        self.kinds |= kinds

    def _step(
        self,
        code: types.CodeType,
        steps: list[Step],
        position: int,
        names: dict[str, Any],
        cells: dict[str, types.CellType],
        is_method: bool,
    ) -> str:
        op, word = steps[position].op, steps[position].value
        self.changes = self.changes or op in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "DELETE_ATTR")
        self.fills = self.fills or op in ("STORE_SUBSCR", "DELETE_SUBSCR") or (op, word) == ("BINARY_OP", INPLACE_OR)
        if op in ("STORE_ATTR", "DELETE_ATTR"):
            self.sets = self.sets or not is_self(code, steps[position - 1], is_method)
        self.sets = self.sets or word == "setattr"
        if op == "IMPORT_NAME" and str(word).partition(".")[0] in WORLD:
            return f"asks {word} while it runs"
        if op in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return f"sets the global variable '{word}'"
        if op in MATCHES:
            return "matches a value against a pattern"
        if op == "CHECK_EXC_MATCH" or (op == "PUSH_EXC_INFO" and steps[position + 1].op == "POP_TOP"):
            return "catches exceptions"
        if op in ("BEFORE_WITH", "BEFORE_ASYNC_WITH") or (op == "LOAD_SPECIAL" and "enter" in str(word)):
            return self._context(steps, position, names, cells)
        if op == "IS_OP" and compares(code, steps, position, is_method):
            return "compares values with 'is'"
        if op == "LOAD_CONST" and isinstance(word, types.CodeType):
            self.code(word, names, cells, is_method and not word.co_argcount)
        if op in ("LOAD_METHOD", "LOAD_ATTR", "LOAD_SUPER_ATTR") and isinstance(word, str):
            self.words.add(word)
            if word in INSIDES:
                return f"reaches for its tensors through '{word}'"
            if word in ("__class__", "__setattr__", "__delattr__"):
                return f"uses {word}"
            is_super = op == "LOAD_SUPER_ATTR" or (position > 1 and steps[position - 2].value == "super")
            self.method(word, everywhere=not is_super)
        if op == "LOAD_GLOBAL" and means_builtin(names, str(word)):
            self.uses.append(Use(names, str(word), steps[position].called or is_passed(steps, position)))
            return ""
        if word == "callable" and word not in names and word not in cells:
            return ""  # it is asked while the forward is traced, and answers for what is no tensor
        if op in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF") and word != "__class__":
            found, get = chain_end(steps, position, names, cells)
            leaf = leaf_at(steps, position, names, found)
            if isinstance(found, type) and not is_foreign(found) and is_tested(steps, position):
                self.place(found, get)
            elif leaf is None:
                return self._reached(found, get)
            else:
                self.leaves[id(leaf.home), leaf.name] = leaf
        return ""

    def _reached(self, found: Any, get: Callable[[], Any]) -> str:
        """Something that the code names and that stands outside the module."""
        if why := why_not(found):
            self.draws = self.draws or why.startswith("draws from")
            return why
        if isinstance(found, (types.ModuleType, *ATOMS)):
            return ""
        if isinstance(found, FUNCTIONS):
            self.value(found)
        elif isinstance(found, list | dict | set | type) or not is_foreign(type(found)):
            if not (isinstance(found, type) and is_foreign(found)) and not isinstance(found, nn.Module):
                self.place(found, get)
                for item in functions_in(found):
                    self.value(item)
                self.helper(found if isinstance(found, type) else type(found))
        elif isinstance(found, numpy.ndarray | bytearray) or type(found).__module__ == "collections":
            self.place(found, get)
        return ""

    def _context(self, steps: list[Step], position: int, names: Any, cells: Any) -> str:
        """Why a `with` cannot be followed; empty where its context changes nothing of what is computed."""
        for before in range(position - 1, -1, -1):
            if steps[before].op in ("BEFORE_WITH", "LOAD_SPECIAL", "POP_TOP", "STORE_FAST"):
                break
            if steps[before].op in ("LOAD_GLOBAL", "LOAD_DEREF"):
                found, _ = chain_end(steps, before, names, cells)
                if any(found is harmless for harmless in CONTEXTS):
                    return ""
        return "opens a context with 'with'"


@lru_cache(maxsize=256)
def _members(classes: frozenset[type]) -> dict[str, list[Any]]:
    """Functions and the like of users' classes, by name."""
    found: dict[str, list[Any]] = {}
    for base in sorted({base for cls in classes for base in cls.__mro__}, key=lambda item: item.__qualname__):
        for name, value in vars(base).items() if not is_foreign(base) else ():
            if not isinstance(value, ATOMS):
                found.setdefault(name, []).append(value)
    return found


def place_of(code: types.CodeType) -> str:
    """Where a function stands, in words."""
    return f"{code.co_filename}:{code.co_firstlineno}"


def classes_in(values: Iterator[Any]) -> frozenset[type]:
    """The users' classes among those of objects."""
    return frozenset(cls for cls in set(map(type, values)) if not is_foreign(cls))
