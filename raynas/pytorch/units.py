"""Units: a module that is kept whole, as the constructor call that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy
import torch
from torch import nn

from raynas.errors import GraphError, SerializationError
from raynas.graph import Unit
from raynas.nn import is_basic_unit
from raynas.nn.recording import construction
from raynas.pytorch.arguments import is_short
from raynas.pytorch.codegen.literals import Imports, literal
from raynas.pytorch.names import name_of
from raynas.pytorch.records import record_of
from raynas.pytorch.tensors import creation
from raynas.search_space import Expression
from raynas.serializer import Call, Encoder, call_of

CALM = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.PReLU,
)
"""Units with parameters whose constructors take no random numbers."""


WORDS = frozenset({bool, int, float, str, type(None)})
"""Types of arguments that are written as they are."""


class Whole(Exception):
    """Modules must be kept whole: something that they own or do cannot be written as source.

    Attributes:
        found: the modules, and why.
    """

    def __init__(self, found: Mapping[nn.Module, str]) -> None:
        super().__init__(next(iter(found.values())))
        self.found = found


def innermost(found: Mapping[nn.Module, str]) -> dict[nn.Module, str]:
    """Of modules with troubles, those in which no other of them stands: once they are kept whole, the rest may do."""
    return {module: why for module, why in found.items() if sum(part in found for part in module.modules()) == 1}


def draws(module: nn.Module) -> bool:
    """Whether a basic unit's constructor takes random numbers."""
    if isinstance(module, CALM):
        return False
    for tensor in module._parameters.values():
        if tensor is not None:
            return True
    return bool(module._modules) and next(module.parameters(), None) is not None


def draws_itself(module: nn.Module) -> bool:
    """Whether a module is a basic unit whose constructor takes random numbers."""
    return is_basic_unit(type(module)) and draws(module)


def unit_of(call: Call) -> Unit:
    """A constructor call in the IR's form; `SerializationError` where it names what cannot be imported."""
    if WORDS.issuperset(map(type, call.args)) and WORDS.issuperset(map(type, call.kwargs.values())):
        return Unit(name_of(call.target), call.args, dict(call.kwargs))
    encode = Encoder()

    def value(item: Any) -> Any:
        if isinstance(item, nn.Module):
            inner = construction(item) or call_of(item)
            if inner is None:
                raise SerializationError(f"nobody recorded how its {type(item).__name__} was constructed")
            return unit_of(inner)
        if isinstance(item, torch.Tensor):
            made = creation(item.detach())
            if made is None or item.requires_grad:
                raise SerializationError("a tensor among its arguments is too large to write out")
            return made
        if type(item) in (tuple, list):
            return type(item)(map(value, item))
        if type(item) is dict:
            return {key: value(part) for key, part in item.items()}
        if isinstance(item, partial) and type(item) is partial and not vars(item):
            bound = {key: value(part) for key, part in item.keywords.items()}
            return Unit("functools.partial", (value(item.func), *map(value, item.args)), bound)
        if isinstance(item, numpy.generic):
            return item.item()
        if isinstance(item, numpy.ndarray) and is_short(item):
            return Unit("numpy.array", (item.tolist(),), {"dtype": item.dtype.name})
        made_by = (call_of(item) or record_of(item)) if type(item) not in WORDS and not callable(item) else None
        if made_by is not None:
            args = tuple(map(value, made_by.args))
            return Unit(name_of(made_by.target), args, {key: value(part) for key, part in made_by.kwargs.items()})
        if not isinstance(item, Expression):
            encode(item)
            _refuse_nameless(item)
        return item

    args = tuple(map(value, call.args))
    return Unit(name_of(call.target), args, {key: value(item) for key, item in call.kwargs.items()})


def _refuse_nameless(item: Any) -> None:
    """`SerializationError` where a value cannot be written as source."""
    try:
        literal(item, Imports())
    except GraphError:
        kind = type(item).__qualname__
        why = "is too large to write out" if isinstance(item, numpy.ndarray) else "its attributes do not make again"
        raise SerializationError(
            f"is passed a {kind}, which {why}: make it with raynas.serialize(function_that_makes_it, …)"
        ) from None
