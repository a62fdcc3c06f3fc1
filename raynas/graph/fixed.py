"""Fixed graphs: those in which nothing hangs on a sample. All variants of a space hold the very same ones."""

from __future__ import annotations

from raynas.graph.graph import Graph, children
from raynas.graph.kinds import PLACEHOLDER, ZEROS
from raynas.graph.member import Member, Shared, Tensor, Unit
from raynas.graph.node import Node
from raynas.graph.texts import PLAIN
from raynas.search_space.expression import Expression

SURE = frozenset({*PLAIN, Node})
"""Types of values in which no choice stands; an argument that is a step is looked at where it stands."""

SEVERAL = (tuple, list, set, frozenset)


def is_fixed(graph: Graph) -> bool:
    """Whether no choice stands in a graph, nor a word of spaces that freezing dissolves."""
    known: bool | None = graph.notes.get("fixed")
    if known is None:
        inside = [*graph.members.values(), *graph.shared.values(), *([graph.init] if graph.init else [])]
        known = all(map(_is_fixed, inside)) and not has_choice(list(graph.attributes.values()))
        known = known and not any(has_choice(node.args) or has_choice(node.kwargs) for node in graph.nodes)
        graph.notes["fixed"] = known
    return known


def _is_fixed(member: Member) -> bool:
    if isinstance(member, Graph):
        return is_fixed(member)
    if isinstance(member, Unit):
        word = member.target in ZEROS or member.target == PLACEHOLDER
        return not word and not has_choice(member.args) and not has_choice(dict(member.kwargs))
    if isinstance(member, Tensor):
        return not isinstance(member.value, Unit) or _is_fixed(member.value)
    return False  # what is shared is looked up by whoever holds it


def has_choice(value: object) -> bool:
    """Whether a choice stands in a value, looking into containers and units."""
    if isinstance(value, SEVERAL):
        return not SURE.issuperset(map(type, value)) and any(map(has_choice, value))
    if isinstance(value, dict):
        return bool(value) and not SURE.issuperset(map(type, value.values())) and any(map(has_choice, value.values()))
    if isinstance(value, Expression):
        return True
    if isinstance(value, Unit):
        return has_choice(value.args) or has_choice(dict(value.kwargs))
    if isinstance(value, slice):
        return has_choice((value.start, value.stop, value.step))
    return False


def mentions_outside(member: Member, held: frozenset[str] = frozenset()) -> bool:
    """Whether a member mentions a shared one that only a graph around it holds."""
    if isinstance(member, Shared):
        return member.name not in held
    if isinstance(member, Graph):
        held = held | set(member.shared)
        if any(mentions_outside(item, held) for item in member.shared.values()):
            return True
    return any(mentions_outside(item, held) for item in children(member).values())
