"""Arguments: what may stand in a call that is traced, and what a forward is entered with."""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

import numpy
import torch
from torch import fx, nn

from raynas.pytorch import libraries, nones
from raynas.pytorch.passing import is_known
from raynas.pytorch.proxy import ROWS, Untraceable
from raynas.pytorch.reasons import signature_of
from raynas.pytorch.stand_ins import meant
from raynas.search_space import Expression

LONGEST = 64
"""So many values of an array may stand in the source."""

LITERALS = frozenset({bool, int, float, str, type(None)})
"""Types of arguments that stand in a graph as they are."""


def unusual(value: Any, tracer: fx.Tracer, read: Callable[[torch.Tensor], fx.Proxy]) -> Any:
    """How something else than a plain value stands in a graph; NotImplemented where torch.fx knows.

    Args:
        value: the argument.
        tracer: makes values.
        read: gives the value of one of the model's tensors.

    Raises:
        Untraceable: it cannot.
    """
    if type(value) is dict and not value:
        return value
    if isinstance(value, numpy.generic):
        return value.item()
    if isinstance(value, numpy.ndarray) and is_short(value):
        dtype = {"dtype": value.dtype.name}
        return tracer.create_proxy("call_function", numpy.array, (value.tolist(),), dtype).node
    if type(value) is OrderedDict:
        items = ([(key, item) for key, item in value.items()],)
        return tracer.create_proxy("call_function", OrderedDict, items, {}).node
    if type(value) is torch.Size:
        return tracer.create_proxy("call_function", torch.Size, (list(value),), {}).node
    if isinstance(value, list | dict | set | tuple) and not is_known(type(value)):
        raise Untraceable(f"returns or passes a {type(value).__name__}")
    value = meant(value)
    if isinstance(value, Expression) or (isinstance(value, type) and not issubclass(value, nn.Module)):
        return value
    if isinstance(value, torch.Tensor):
        return read(value).node
    if isinstance(value, torch.device):
        raise Untraceable(f"fixes the device {value} while it is traced: pass a tensor to follow instead")
    if isinstance(value, nn.Module | types.FunctionType | types.MethodType):
        what = f"a {type(value).__name__}" if isinstance(value, nn.Module) else f"the function {value.__name__}"
        raise Untraceable(f"passes {what} to a function of torch, or to a layer that is kept whole")
    return value if isinstance(value, types.BuiltinFunctionType) else NotImplemented


def is_short(array: numpy.ndarray) -> bool:
    """Whether an array of NumPy's can be written out."""
    return array.dtype.kind in "biuf" and array.dtype.isnative and array.size <= LONGEST


def entered(
    root: nn.Module, tracer: fx.Tracer, given: Collection[str], optional: Collection[str], absent: Collection[str]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the outermost forward: what a call must pass, what the example passes, and what it may pass.

    Args:
        root: the module.
        tracer: makes the values.
        given: names of the inputs that a call passes.
        optional: names of further inputs, which have default values.
        absent: names of inputs for which a call passes None.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    parameters = list(signature_of(root).parameters.values())
    known = {parameter.name for parameter in parameters}
    for parameter in parameters:
        name, default = parameter.name, parameter.default
        if parameter.kind == parameter.VAR_POSITIONAL:
            others = [item for item in given if item not in known and item.startswith(f"{name}_")]
            args += [tracer.create_proxy("placeholder", item, (), {}) for item in others]
        elif parameter.kind == parameter.VAR_KEYWORD:
            others = [item for item in given if item not in known and not item.rpartition("_")[2].isdigit()]
            kwargs.update({item: tracer.create_proxy("placeholder", item, (), {}) for item in others})
        else:
            named = parameter.kind == parameter.KEYWORD_ONLY
            if default is parameter.empty or name in given or name in optional:
                passed = () if default is parameter.empty else (default,)
                target = f"*{name}" if named else name
                proxy = tracer.create_proxy("placeholder", target, passed, {}, name=name)
                proxy.node.meta.update({nones.MAYBE: name not in given, nones.ITEMS: True})
                value = None if name in absent else proxy
            else:
                value = default
            if named:
                kwargs[name] = value
            else:
                args.append(value)
    return args, kwargs


def pieces(node: fx.Node) -> int | None:
    """Into how many pieces a call cuts a tensor, where that stands in its arguments; or how many a parameter has."""
    if node.op == "get_attr":
        rows: int | None = node.meta.get(ROWS)
        return rows
    if node.op == "call_method":
        name: str = node.target  # type: ignore[assignment]  # a method's name
    elif node.op == "call_function" and node.target in (torch.chunk, torch.split, torch.tensor_split):
        name = node.target.__name__
    else:
        return libraries.pieces(node)
    given = [*node.args[1:2], *(node.kwargs.get(key) for key in ("chunks", "split_size_or_sections", "split_size"))]
    first = next((item for item in given if item is not None), None)
    if name in ("chunk", "tensor_split") and type(first) is int:
        return first
    return len(first) if name in ("split", "split_with_sizes") and isinstance(first, list | tuple) else None
