"""Places: where the members of a frozen graph stand, and what the constructor does to them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Graph, Member, Shared, Tensor, Unit
from raynas.graph.member import Apply, Copy, Let, Local, Path, Set, Step
from raynas.pytorch.profiling.abstract import Unclear
from raynas.pytorch.profiling.measure import Changes

MODES = ("eval", "train")

RESHAPING = frozenset({"squeeze_", "unsqueeze_", "t_", "transpose_", "swapaxes_", "swapdims_", "resize_", "set_"})
"""Methods that change a tensor's shape where it stands, for all who hold it."""


@dataclass(eq=False)
class Place:
    """A member where it stands first.

    Attributes:
        path: dotted, below the model; empty for the model itself.
        member: a graph, unit or tensor.
        inside: the places below it by attribute name; a shared member's place stands in several.
        changes: attributes that are set on a unit after its construction.
        tied: a unit's parameters that are another's, by their paths below the unit.
        plain: attributes that are set on an opened module.
        value: the call that creates a tensor.
    """

    path: str
    member: Member
    inside: dict[str, Place] = field(default_factory=dict)
    changes: Changes = ()
    tied: dict[str, tuple[Place, str]] = field(default_factory=dict)
    plain: dict[str, Any] = field(default_factory=dict)
    value: Unit | None = None

    @property
    def unit(self) -> Unit | None:
        """The constructor call, where the member runs as a whole."""
        if isinstance(self.member, Unit):
            return self.member
        return self.member.init if isinstance(self.member, Graph) and not self.member.nodes else None

    def at(self, path: str) -> tuple[Place, str]:
        """The deepest place on a path below this one, and what is left of the path."""
        here, parts = self, path.split(".")
        for position, part in enumerate(parts):
            if part not in here.inside:
                return here, ".".join(parts[position:])
            here = here.inside[part]
        return here, ""

    def all(self) -> Iterator[Place]:
        """This place and those below it, each once, in the order of registration."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            place = waiting.pop()
            if id(place) not in seen:
                seen.add(id(place))
                yield place
                waiting.extend(reversed(place.inside.values()))


def places_of(root: Graph) -> Place:
    """The places of a frozen graph; `GraphError` where a choice is not made."""
    return _placed(root, "", {})


def set_up(root: Place) -> None:
    """Note at each place what constructors do to it after it was made; `Unclear` where that may change shapes."""
    for home in list(root.all()):
        if not isinstance(home.member, Graph):
            continue
        if home.member.init is not None and home.member.nodes:
            raise Unclear(f"{home.path} has a constructor call and a forward pass of its own")
        variables = {step.name: step.value for step in home.member.setup if isinstance(step, Let)}
        for place in home.inside.values():
            if isinstance(place.member, Tensor):
                made = place.member.value
                place.value = variables.get(made.name) if isinstance(made, Local) else made
        for step in home.member.setup:
            _set_up(home, step)
    for home in root.all():
        for copy in home.member.setup if isinstance(home.member, Graph) else ():
            if isinstance(copy, Copy) and any(place.changes or place.tied for place in home.at(copy.source)[0].all()):
                raise Unclear(f"'{copy.path}' is a copy of something that was changed")


_Scope = dict[str, "_Shelf"]


@dataclass(eq=False)
class _Shelf:
    """A shared member, its place once it was met, and what is shared where it is held."""

    member: Member
    scope: _Scope = field(default_factory=dict)
    place: Place | None = None


def _placed(member: Member, path: str, scope: _Scope) -> Place:
    if isinstance(member, Shared):
        shelf = scope[member.name]
        if shelf.place is None:
            shelf.place = _placed(shelf.member, path, shelf.scope)
        return shelf.place
    place = Place(path, member)
    if isinstance(member, Graph):
        if member.shared:
            scope = dict(scope)
            for name, item in member.shared.items():
                scope[name] = _Shelf(item, scope)
        below = f"{path}." if path else ""
        for name, item in member.members.items():
            place.inside[name] = _placed(item, below + name, scope)
    elif not isinstance(member, Unit | Tensor):
        raise GraphError(f"'{path}', a {type(member).__name__}, is not chosen yet: freeze the graph first")
    return place


def _set_up(home: Place, step: Step) -> None:
    if isinstance(step, Apply):
        name = step.target.rpartition(".")[2]
        if name in RESHAPING or not (step.target.startswith("torch.nn.init.") or name.endswith("_") or name in MODES):
            raise Unclear(f"{step.target} in a constructor")  # such as `.double`
        return
    if not isinstance(step, Set):
        return
    place, rest = home.at(step.path)
    value = step.value
    if isinstance(place.member, Graph) and place.unit is None and rest:
        place.plain[rest] = value
    elif isinstance(place.member, Tensor):
        if rest != "requires_grad":
            raise Unclear(f"'{step.path}' is set in a constructor")
    elif isinstance(value, Path):
        source, inside = home.at(value.path)
        if not rest or source.unit is None or not inside:
            raise Unclear(f"'{step.path}' is tied to '{value.path}'")
        place.tied[rest] = source, inside
    elif not rest or isinstance(value, Unit | Local):
        raise Unclear(f"'{step.path}' is set in a constructor")
    else:
        place.changes += ((rest, value),)
