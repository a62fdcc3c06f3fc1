"""Setup: the steps of constructors, and what becomes of them once choices are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from raynas.graph.graph import Graph, children
from raynas.graph.member import Apply, Choice, Copy, Let, Make, Member, Path, Repeated, Set, Shared, Step, Unit
from raynas.search_space import Expression, Value


def paths_of(step: Step) -> list[str]:
    """The paths below the module that a step names."""
    if isinstance(step, Make):
        return [step.name]
    if isinstance(step, Copy):
        return [step.path, step.source]
    found = [step.path] if isinstance(step, Set) else []
    values = (step.value,) if isinstance(step, Set | Let) else (step.args, dict(step.kwargs))
    return [*found, *(path.path for value in values for path in paths_in(value))]


def paths_in(value: Any) -> Iterator[Path]:
    """The paths in a step's value or argument."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Unit):
        yield from paths_in((value.args, dict(value.kwargs)))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from paths_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from paths_in(item)


def is_there(graph: Graph, path: str) -> bool:
    """Whether a path still leads to a member, or into a unit; shared ones count as there."""
    here: Member | None = graph
    for part in path.split(".") if path else []:
        if not isinstance(here, Graph):
            return here is not None
        if part not in here.members and (here.init is not None or part in here.attributes):
            return True
        here = here.members.get(part)
    return here is not None


def map_paths(step: Step, of: Callable[[str], str]) -> Step:
    """The step with each path replaced."""

    def value(item: Any) -> Any:
        if isinstance(item, Path):
            return Path(of(item.path))
        if isinstance(item, Unit):
            return Unit(item.target, value(item.args), value(dict(item.kwargs)))
        if isinstance(item, tuple):
            return tuple(map(value, item))
        if isinstance(item, list):
            return list(map(value, item))
        return {k: value(v) for k, v in item.items()} if isinstance(item, dict) else item

    if isinstance(step, Copy):
        return Copy(of(step.path), of(step.source))
    if isinstance(step, Set):
        return Set(of(step.path), value(step.value))
    if isinstance(step, Let):
        return Let(step.name, value(step.value))
    return Apply(step.target, value(step.args), value(dict(step.kwargs))) if isinstance(step, Apply) else step


class Gone(Exception):
    """A path leads to what a sample does not choose."""


def chosen_steps(
    graph: Graph, token: Callable[[Expression], Value], depth: Callable[[Repeated], int], shared: Mapping[str, Member]
) -> list[Step]:
    """A graph's steps once choices are made: without those about what was not chosen."""
    scope = {**shared, **graph.shared}

    def of(path: str) -> str:
        here: Member | None = graph
        parts: list[str] = []
        for part in path.split(".") if path else []:
            while isinstance(here, Shared):
                here = scope.get(here.name)
            if isinstance(here, Choice):
                if part != str(token(here.pick)):
                    raise Gone
                here = here.candidates[token(here.pick)]
                continue
            if isinstance(here, Repeated) and int(part) >= depth(here):
                raise Gone
            parts.append(part)
            here = children(here).get(part) if here is not None else None
        return ".".join(parts)

    steps: list[Step] = []
    for step in graph.setup:
        if isinstance(step, Copy):
            try:
                of(step.path)
            except Gone:
                continue
            with suppress(Gone):  # the original was not chosen: the member is made by its own call
                steps.append(map_paths(step, of))
            continue
        try:
            steps.append(map_paths(step, of))
        except Gone:
            continue
    return steps
