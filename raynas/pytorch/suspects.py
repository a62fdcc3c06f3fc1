"""Suspects: what a forward may name that no proxy can stand in for."""

from __future__ import annotations

import builtins
import contextlib
import functools
import os
import random
import types
from collections.abc import Iterator
from typing import Any

import numpy
import torch
from torch import nn

from raynas.pytorch.state import ATOMS

BLIND = {
    "type": "asks type() of a value",
    "id": "asks id() of a value",
    "callable": "asks callable() of a value",
    "print": "prints while it runs",
    "input": "asks the user while it runs",
    "open": "opens a file while it runs",
    "globals": "reads or writes global variables by name",
    "locals": "reads its local variables by name",
    "vars": "reads attributes as a dict",
    "dir": "asks dir() of a value",
    "exec": "runs text as code",
    "eval": "runs text as code",
}
"""Builtins that would be answered for the proxy, or run once instead of at every call."""


INSIDES = frozenset(
    {
        *("_buffers", "_parameters", "parameters", "named_parameters", "buffers", "named_buffers", "state_dict"),
        *("load_state_dict", "__dict__"),
    }
)
"""Attributes that hand out tensors themselves, of which a graph would keep today's values."""

WORLD = frozenset({"time", "datetime", "uuid", "secrets", "socket", "subprocess"})
"""Modules that answer otherwise at each call."""

FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial, functools._lru_cache_wrapper)
"""What holds code of a user's that can be called."""

MATCHES = ("MATCH_SEQUENCE", "MATCH_MAPPING", "MATCH_CLASS")
CONTEXTS = (
    *(contextlib.nullcontext, torch.profiler.record_function, torch.autograd.profiler.record_function),
    torch.no_grad,
)
"""Contexts that change nothing of what is computed; the last is looked at while a forward is traced."""

SEEDS = (
    *(torch.manual_seed, torch.seed, torch.set_rng_state, torch.get_rng_state, torch.initial_seed),
    torch.random.fork_rng,
)
DEVICES = (torch.cuda.is_available, torch.cuda.device_count, torch.cuda.current_device, torch.backends.mps.is_available)
SOURCES = (random.Random, numpy.random.Generator, numpy.random.RandomState, torch.Generator)


CHANGING = frozenset(
    {
        *("append", "appendleft", "extend", "insert", "pop", "popleft", "popitem", "remove", "discard", "clear"),
        *("add", "update", "setdefault", "sort", "reverse", "step"),
    }
)
"""Methods that change a list, dict, set or meter."""

FILLING = frozenset({"update", "pop", "popitem", "setdefault", "clear", "move_to_end", "__setitem__"})
"""Methods that change a dict."""

DRAWING = frozenset(
    {
        *("random", "rand", "randn", "randint", "randrange", "random_sample", "normal", "uniform", "gauss", "choice"),
        *("choices", "sample", "shuffle", "permutation", "standard_normal", "betavariate", "binomial", "poisson"),
    }
)
"""Functions of Python and NumPy that give random numbers, and their modules."""


def functions_in(value: Any) -> Iterator[Any]:
    """The functions in a list, tuple or dict, or the value itself where it is one."""
    if isinstance(value, FUNCTIONS):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, FUNCTIONS):
                yield item


def is_source(value: Any) -> bool:
    """Whether an object gives something else each time it is asked: an iterator, or a generator of random numbers."""
    return isinstance(value, SOURCES) or (hasattr(type(value), "__next__") and not isinstance(value, nn.Module))


def why_not(found: Any) -> str:
    """Why code that names this object cannot be traced; empty where that is no reason."""
    name = getattr(found, "__name__", "")
    if name in BLIND and found is getattr(builtins, name, None):
        return BLIND[name]
    if found is print:  # a function of Ray's own, once its bars of progress have been used
        return BLIND["print"]
    if any(found is seed for seed in SEEDS):
        return f"calls torch.{name}()"
    if any(found is ask for ask in DEVICES):
        return f"asks for devices through {name}(), and another machine has others"
    if isinstance(found, (types.ModuleType, *ATOMS)):
        return ""
    owner = getattr(found, "__self__", None)
    if found is vars(torch.autograd.Function)["apply"]:
        return "calls an autograd.Function, which has a backward of its own"
    if isinstance(found, torch.jit.ScriptFunction):
        return "calls a function that torch.jit compiled and that has no name"
    if is_source(owner) and not isinstance(owner, types.ModuleType):
        return f"draws from a {type(owner).__name__} through {name}()"
    if is_source(found):
        return f"uses a {type(found).__name__} that it shares with others"
    if isinstance(found, os._Environ) or found is os.getenv or found is os.urandom:
        return "asks the environment"
    if getattr(found, "__module__", None) in WORLD or getattr(type(owner), "__module__", None) in WORLD:
        return f"asks {getattr(found, '__module__', None) or 'the world'} while it runs"
    return ""
