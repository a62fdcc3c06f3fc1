"""Passing: what goes into a forward and comes out of it, with the containers around the values."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import fx, nn

from raynas.pytorch.flags import FLAG, when_of
from raynas.pytorch.proxy import is_traced


def is_known(cls: type) -> bool:
    """Whether a container is of a kind that comes back as it is."""
    return cls in (list, dict, set, tuple, torch.Size) or hasattr(cls, "_fields") or cls.__module__.startswith("torch.")


def alike(left: fx.Graph, right: fx.Graph) -> bool:
    """Whether two graphs compute the same; inputs that nobody uses do not count."""

    def form(graph: fx.Graph) -> list[Any]:
        nodes = [node for node in graph.nodes if node.op != "placeholder" or node.users]
        places = {node: position for position, node in enumerate(nodes)}

        def shape(value: Any) -> str:
            return repr(fx.node.map_aggregate(value, lambda a: ("node", places[a]) if isinstance(a, fx.Node) else a))

        return [(n.op, n.target, shape(n.args), shape(n.kwargs), n.meta.get(FLAG), when_of(n)) for n in nodes]

    return form(left) == form(right)


@lru_cache(maxsize=1024)
def signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


@lru_cache(maxsize=1024)
def _positional(forward: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the inputs that a forward takes by position; none where it takes any number."""
    parameters = list(signature(forward).parameters.values())[1:]
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        return ()
    return tuple(item.name for item in parameters if item.kind is not item.KEYWORD_ONLY)


def names_of(m: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """A name for each proxy in a call's arguments: that of the parameter it is passed for."""
    plain = _positional(type(m).forward)
    if not kwargs and len(args) <= len(plain) and all(map(is_traced, args)):
        return list(plain[: len(args)])
    try:
        bound = signature(type(m).forward).bind(m, *args, **kwargs).arguments
    except (TypeError, ValueError):
        bound = dict(enumerate((m, *args, *kwargs.values())))  # type: ignore[arg-type]  # names by position
    names: list[str] = []
    for parameter, value in list(bound.items())[1:]:
        flat = [None for _ in proxies_in(value)]
        wanted = str(parameter) if str(parameter).isidentifier() else f"x{parameter}"
        names += [wanted] if len(flat) == 1 else [f"{wanted}_{i}" for i in range(len(flat))]
    return names


def proxies_in(value: Any) -> Iterator[Any]:
    """The values in a container that only the run knows, in order."""
    if is_traced(value):
        yield value
        return
    found: list[Any] = []

    def note(proxy: Any) -> Any:
        found.append(proxy)
        return proxy

    mapped(value, note)
    yield from found


def mapped(value: Any, of: Callable[[Any], Any]) -> Any:
    """`value` with each proxy in it replaced; containers of every kind that torch.fx can return are kept."""
    if is_traced(value):
        return of(value)
    if type(value) is torch.Size:
        return value
    if isinstance(value, tuple):
        items = [mapped(item, of) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if type(value) is list:
        return [mapped(item, of) for item in value]
    if type(value) in (dict, OrderedDict):
        return type(value)((key, mapped(item, of)) for key, item in value.items())
    if isinstance(value, slice):
        return slice(*(mapped(item, of) for item in (value.start, value.stop, value.step)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = copy.copy(value)
        for item in dataclasses.fields(value):
            object.__setattr__(made, item.name, mapped(getattr(value, item.name), of))
        return made
    return value


def projected(call: fx.Proxy, result: Any) -> Any:
    """What calling an opened module gives: the container that its forward returned, with values read from the call."""

    def at(value: Any, here: Callable[[], Any]) -> Any:
        if is_traced(value):
            return here()
        if type(value) is torch.Size:
            return value
        if isinstance(value, tuple):
            items = [at(item, lambda i=i: here()[i]) for i, item in enumerate(value)]  # type: ignore[misc]  # bound now
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if type(value) is list:
            return [at(item, lambda i=i: here()[i]) for i, item in enumerate(value)]  # type: ignore[misc]  # bound now
        if type(value) in (dict, OrderedDict):
            return type(value)((key, at(item, lambda key=key: here()[key])) for key, item in value.items())  # type: ignore[misc]  # bound now
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            made = copy.copy(value)
            for item in dataclasses.fields(value):
                name = item.name
                inner = at(getattr(value, name), lambda name=name: getattr(here(), name))  # type: ignore[misc]  # bound now
                object.__setattr__(made, name, inner)
            return made
        return value

    return at(result, lambda: call)
