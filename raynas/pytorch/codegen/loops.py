"""Loops over modules, found again in the steps that they left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Apply, Graph, Path, Set, Shared, Step, Unit
from raynas.graph.graph import children
from raynas.graph.setup import paths_of
from raynas.graph.texts import PLAIN
from raynas.pytorch.codegen.literals import Imports, literal, resolve_or_none
from raynas.serializer import parameter

LEAST = 4
"""Fewer steps than so many are written one by one."""


LEAVE_OUT = {"bias": ("bias", "affine", "elementwise_affine"), "weight": ("affine", "elementwise_affine")}
"""Constructor arguments which, where they are false, leave a parameter out."""


@dataclass(frozen=True)
class Branch:
    """What a loop does with one kind of module.

    Attributes:
        targets: the classes.
        steps: paths in them are relative to the module.
        optional: parameters that not all of these modules have.
    """

    targets: list[str]
    steps: list[Any]
    optional: frozenset[str]


@dataclass(frozen=True)
class Loop:
    """`for module in self.modules()`, with a branch for each kind of module.

    Attributes:
        branches: what to do, by class.
    """

    branches: list[Branch]


def rolled(graph: Graph, steps: Sequence[Step], imports: Imports) -> list[Step | Loop]:
    """The steps, with those that do the same to every module of a class, in order, as a loop."""
    found: list[Step | Loop] = []
    if len(steps) < LEAST:
        return list(steps)
    units = list(_units(graph))
    places = {path: place for place, (path, _) in enumerate(units)}
    owners = {id(step): _owner(step) or "" for step in steps}
    if any(_is_inside(owner, places) for owner in set(owners.values())):
        return list(steps)  # of a module that is kept whole, which a loop would reach as well
    for run in _runs(steps, owners, places):
        loop = _loop(units, run, owners, imports) if len(run) >= LEAST else None
        found += run if loop is None else [loop]
    return found


def _is_inside(owner: str, places: Mapping[str, int]) -> bool:
    """Whether a path leads into a unit."""
    return owner not in places and any(owner.startswith(f"{path}.") for path in places)


def _runs(steps: Sequence[Step], owners: Mapping[int, str], places: Mapping[str, int]) -> list[list[Step]]:
    """The steps in runs that one loop may have left: what is done to one unit stands together, units in their order."""
    runs: list[list[Step]] = []
    last: int | None = None
    for step in steps:
        place = places.get(owners[id(step)])
        if place is None or last is None or place < last:
            runs.append([])
        runs[-1].append(step)
        last = place
    return runs


def _loop(
    units: list[tuple[str, Unit]], steps: Sequence[Step], owners: Mapping[int, str], imports: Imports
) -> Loop | None:
    by_owner: dict[str, list[Step]] = {}
    for step in steps:
        by_owner.setdefault(owners[id(step)], []).append(step)
    kinds: dict[str, list[tuple[Unit, list[Step]]]] = {}
    for path, unit in units:
        kinds.setdefault(unit.target, []).append((unit, by_owner.get(path, [])))
    branches: dict[tuple[str, ...], Branch] = {}
    for target, found in kinds.items():
        if not any(mine for _, mine in found):
            continue
        longest = max((mine for _, mine in found), key=len)
        forms = [(_last(step), _form(step, imports)) for step in longest]
        names = {name for name, _ in forms}
        lacked: set[str] = set()
        missing: dict[str, set[str]] = {}
        for unit, mine in found:
            if unit.text not in missing:
                missing[unit.text] = {name for name in names if _lacks(unit, name)}
            lacked |= missing[unit.text]
            wanted = [form for name, form in forms if name not in missing[unit.text]]
            if len(mine) != len(wanted) or [_form(step, imports) for step in mine] != wanted:
                return None
        form = (*(form for _, form in forms), *sorted(lacked))
        known = branches.get(form)
        relative = [_relative(step) for step in longest]
        branches[form] = Branch([*(known.targets if known else []), target], relative, frozenset(lacked))
    lines = sum(1 + len(branch.steps) for branch in branches.values())
    return Loop(list(branches.values())) if lines < len(steps) else None


def _lacks(unit: Unit, name: str) -> bool:
    """Whether a unit's arguments leave its `bias` or `weight` out."""
    target = resolve_or_none(unit.target)
    for position, value in enumerate(unit.args):
        if value is False and parameter(target, position) in LEAVE_OUT.get(name, ()):
            return True
    return any(unit.kwargs.get(key) is False for key in LEAVE_OUT.get(name, ()))


def _last(step: Any) -> str:
    path: str = step.path if isinstance(step, Set) else step.args[0].path
    return path.rpartition(".")[2]


def _owner(step: Step) -> str | None:
    """The one module that a step is about: an init call on its tensor, or one of its attributes."""
    if isinstance(step, Apply):
        if not step.args or not isinstance(step.args[0], Path):
            return None
        plain = PLAIN.issuperset(map(type, step.args[1:])) and PLAIN.issuperset(map(type, step.kwargs.values()))
        if not plain and len(paths_of(step)) != 1:
            return None
        path = step.args[0].path
    elif isinstance(step, Set) and not paths_of(step)[1:] and not isinstance(step.value, Unit):
        path = step.path
    else:
        return None
    owner, _, name = path.rpartition(".")
    return owner if owner and name else None


def _relative(step: Any) -> Any:
    if isinstance(step, Set):
        return Set(step.path.rpartition(".")[2], step.value)
    first, *others = step.args
    return Apply(step.target, (Path(first.path.rpartition(".")[2]), *others), step.kwargs)


def _form(step: Step, imports: Imports) -> str:
    def shown(value: Any) -> str:
        try:
            return literal(value, imports)
        except GraphError:
            return f"{id(value)}"

    name = _last(step)
    if isinstance(step, Set):
        return f"{name}={shown(step.value)}"
    assert isinstance(step, Apply)  # the only others that have an owner
    return f"{step.target}({name},{shown(step.args[1:])},{shown(dict(step.kwargs))})"


def _units(graph: Graph) -> list[tuple[str, Unit]]:
    """Paths and classes of all units below a graph, in the order of `modules()`, shared ones where they stand first."""
    found: list[tuple[str, Unit]] = []
    seen: set[int] = set()

    def visit(member: Any, path: str, scope: dict[str, Any]) -> None:
        while isinstance(member, Shared):
            member = scope.get(member.name)
        if member is None or id(member) in seen:
            return
        seen.add(id(member))
        if isinstance(member, Unit):
            found.append((path, member))
        if isinstance(member, Graph):
            inner = {**scope, **member.shared}
            for name, child in children(member).items():
                visit(child, f"{path}.{name}".lstrip("."), inner)

    visit(graph, "", {})
    return found
