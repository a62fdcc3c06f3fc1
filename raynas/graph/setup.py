"""Setup: the steps of constructors, and what becomes of them once choices are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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


def note_changes(graph: Graph) -> None:
    """Have each unit know which of its attributes the constructors around it set, also where it is a copy's original.

    What such a unit does is not what its own call says.
    """
    _note(graph, [])


def _note(graph: Graph, homes: list[Graph]) -> None:
    homes = [*homes, graph]
    for step in graph.setup:
        if isinstance(step, Set):
            above, _, name = step.path.rpartition(".")
            if above:
                _changed(graph, above.split("."), name, homes)
        elif isinstance(step, Copy):
            for path, unit in list(_units(graph, step.source.split("."), homes)):
                for name in unit.changed:
                    _changed(graph, [*step.path.split("."), *path], name, homes)
    for member in (*graph.members.values(), *graph.shared.values()):
        for inner in _graphs(member):
            _note(inner, homes)


def _changed(member: Member, path: Sequence[str], name: str, homes: list[Graph]) -> Member:
    """The member, with a changed attribute noted at the unit at a path; graphs in it stay the same objects."""
    if isinstance(member, Shared):
        home = next(home for home in reversed(homes) if member.name in home.shared)
        home.shared[member.name] = _changed(home.shared[member.name], path, name, homes)
    elif isinstance(member, Unit):
        name = ".".join([*path, name])
        return Unit(member.target, member.args, member.kwargs, tuple(sorted({*member.changed, name})))
    elif path and isinstance(member, Graph) and path[0] in member.members:
        inner = member.members[path[0]]
        member.members[path[0]] = _changed(inner, path[1:], name, [*homes, member])
    elif path and isinstance(member, Choice):
        return Choice(
            member.pick,
            {
                key: _changed(item, path[1:], name, homes) if str(key) == path[0] else item
                for key, item in member.candidates.items()
            },
        )
    elif path and isinstance(member, Repeated):
        blocks = [
            _changed(block, path[1:], name, homes) if str(position) == path[0] else block
            for position, block in enumerate(member.blocks)
        ]
        return Repeated(member.depth, tuple(blocks))
    return member


def _units(member: Member, path: Sequence[str], homes: list[Graph]) -> Iterator[tuple[tuple[str, ...], Unit]]:
    """The units at and below a path, each with its own path from there."""
    if isinstance(member, Shared):
        home = next(home for home in reversed(homes) if member.name in home.shared)
        yield from _units(home.shared[member.name], path, homes)
    elif isinstance(member, Unit):
        yield (), member
    elif isinstance(member, Graph | Choice | Repeated):
        inside = [*homes, member] if isinstance(member, Graph) else homes
        for name, child in children(member).items():
            if not path:
                yield from (((name, *rest), unit) for rest, unit in _units(child, (), inside))
            elif name == path[0]:
                yield from _units(child, path[1:], inside)


def _graphs(member: Member) -> Iterator[Graph]:
    if isinstance(member, Graph):
        yield member
    elif isinstance(member, Choice | Repeated):
        for child in children(member).values():
            yield from _graphs(child)


class Gone(Exception):
    """A path leads to what a sample does not choose."""


def _lacks(unit: Unit, name: str, token: Callable[[Expression], Value]) -> bool:
    """Whether a layer of torch has no tensor of this name because of a choice among its arguments."""
    wanted = ("bias",) if "bias" in name else ()
    flags = (*wanted, "affine", "elementwise_affine") if name in ("weight", "bias") else wanted
    given = (unit.kwargs.get(flag) for flag in flags if unit.target.startswith("torch.nn."))
    return any(isinstance(value, Expression) and not token(value) for value in given)


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
            if isinstance(here, Unit) and _lacks(here, part, token):
                raise Gone
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
