"""Loops over modules, found again in the steps that they left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Apply, Graph, Path, Set, Shared, Step, Unit
from raynas.graph.graph import children
from raynas.graph.setup import paths_of
from raynas.pytorch.codegen.literals import Imports, literal

LEAST = 4
"""Fewer steps than so many are written one by one."""


@dataclass(frozen=True)
class Loop:
    """`for module in self.modules()`, with a branch for each kind of module.

    Attributes:
        branches: classes, and what to do with a module of them; paths in the steps are relative to the module.
    """

    branches: list[tuple[list[str], list[Any]]]


def rolled(graph: Graph, steps: Sequence[Step], imports: Imports) -> list[Step | Loop]:
    """The steps, with those that do the same to every module of a class, in order, as a loop."""
    found: list[Step | Loop] = []
    units: list[tuple[str, str]] | None = None
    position = 0
    while position < len(steps):
        stop = position
        while stop < len(steps) and _owner(steps[stop]) is not None:
            stop += 1
        if stop - position >= LEAST:
            units = units if units is not None else list(_units(graph))
            loop = _loop(units, steps[position:stop], imports)
            if loop is not None:
                found.append(loop)
                position = stop
                continue
            found += steps[position:stop]
            position = stop
            continue
        found.append(steps[position])
        position += 1
    return found


def _loop(units: list[tuple[str, str]], steps: Sequence[Step], imports: Imports) -> Loop | None:
    by_owner: dict[str, list[Step]] = {}
    last = None
    for step in steps:
        owner = _owner(step)
        if owner is None or (owner != last and owner in by_owner):
            return None
        by_owner.setdefault(owner, []).append(step)
        last = owner
    kinds: dict[str, list[Step]] = {}
    order: list[str] = []
    for path, target in units:
        if path not in by_owner:
            if target in kinds:
                return None
            kinds.setdefault(target, [])
            continue
        order.append(path)
        mine = [_form(step, imports) for step in by_owner[path]]
        if target in kinds and [_form(step, imports) for step in kinds[target]] != mine:
            return None
        kinds.setdefault(target, by_owner[path])
    if order != list(by_owner):
        return None
    branches: list[tuple[list[str], list[Any]]] = []
    for target, same in kinds.items():
        if not same:
            continue
        form = [_form(step, imports) for step in same]
        known = next((b for b in branches if [_form(step, imports) for step in b[1]] == form), None)
        if known is not None:
            known[0].append(target)
        else:
            branches.append(([target], [_relative(step) for step in same]))
    lines = sum(1 + len(same) for _, same in branches)
    return Loop(branches) if lines < len(steps) else None


def _owner(step: Step) -> str | None:
    """The one module that a step is about: an init call on its tensor, or one of its attributes."""
    if isinstance(step, Apply):
        if not step.args or not isinstance(step.args[0], Path) or len(paths_of(step)) != 1:
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

    item = _relative(step)
    if isinstance(item, Set):
        return f"{item.path}={shown(item.value)}"
    return f"{item.target}({item.args[0].path},{shown(item.args[1:])},{shown(dict(item.kwargs))})"


def _units(graph: Graph) -> list[tuple[str, str]]:
    """Paths and classes of all units below a graph, in the order of `modules()`, shared ones where they stand first."""
    found: list[tuple[str, str]] = []
    seen: set[int] = set()

    def visit(member: Any, path: str, scope: dict[str, Any]) -> None:
        while isinstance(member, Shared):
            member = scope.get(member.name)
        if member is None or id(member) in seen:
            return
        seen.add(id(member))
        if isinstance(member, Unit):
            found.append((path, member.target))
        if isinstance(member, Graph):
            inner = {**scope, **member.shared}
            for name, child in children(member).items():
                visit(child, f"{path}.{name}".lstrip("."), inner)

    visit(graph, "", {})
    return found
