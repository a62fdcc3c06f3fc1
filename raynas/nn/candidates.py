"""What may stand as an operation of a cell: modules, of which each place gets a copy, or functions that build one."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

from torch import nn

from raynas.errors import SpaceError
from raynas.search_space.where import users_line

Operation: TypeAlias = nn.Module | Callable[..., nn.Module]
Operations: TypeAlias = Sequence[Operation] | Mapping[str, Operation]


def by_name(given: Any, owner: str) -> dict[Any, Any]:
    """What stands in a mapping, or by its position in a list or another iterable that has an order."""
    if isinstance(given, Mapping | nn.ModuleDict):
        return dict(given.items())
    if isinstance(given, Set | str | bytes) or not isinstance(given, Iterable):
        raise SpaceError(f"{users_line()}: {owner} chooses from a {type(given).__name__}: give a list or a dict")
    return dict(enumerate(given))


def named(operations: Operations, owner: str) -> dict[Any, Operation]:
    """The operations by name, or by position where they have none; `SpaceError` where there is none."""
    found = by_name(operations, owner)
    if not found:
        raise SpaceError(f"{users_line()}: {owner} has no operations: give it at least one")
    return found


def built(operations: Mapping[Any, Operation], owner: str, *place: Any) -> dict[Any, nn.Module]:
    """A module of each operation for one place; functions are called with `place`, as far as they take arguments."""
    return {name: _module(operation, owner, name, place) for name, operation in operations.items()}


def takes_place(operation: Operation, count: int) -> bool:
    """Whether an operation is a function of `count` arguments or more."""
    return not isinstance(operation, nn.Module) and _arguments(operation) >= count


def _module(operation: Operation, owner: str, name: Any, place: Sequence[Any]) -> nn.Module:
    if isinstance(operation, nn.Module):
        return copy.deepcopy(operation)
    made = operation(*place[: _arguments(operation)]) if callable(operation) else operation
    if not isinstance(made, nn.Module):
        raise SpaceError(
            f"{users_line()}: the operation {name!r} of {owner} is {made!r}, which is no module: "
            "give a module, or a function that builds one"
        )
    return made


def _arguments(function: Callable[..., Any]) -> int:
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return len(inspect.signature(function).parameters) + 99
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)
