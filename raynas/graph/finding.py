"""Finding: what a node calls, and whether it is what somebody looks for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raynas.errors import GraphError
from raynas.graph.kinds import PLACEHOLDER
from raynas.graph.member import Choice, Member, Pick, Repeated, Shared, Unit
from raynas.graph.node import Op
from raynas.serializer import qualified_name

if TYPE_CHECKING:
    from raynas.graph.graph import Graph

WORDS: Mapping[str, type] = {"LayerChoice": Choice, "InputChoice": Pick, "Repeat": Repeated}
CALLS = ("module", "graph", "choice")
PUBLIC = ("torch", "torch.nn.functional", "operator", "math", "builtins", "einops")
"""Where functions are looked up first: under the names people write."""


def looked_up(graph: Graph, path: str) -> tuple[Member, Mapping[str, Member]]:
    from raynas.graph.graph import children

    member: Member = graph
    shared: dict[str, Member] = dict(graph.shared)
    for part in path.split("."):
        inside = children(member)
        if part not in inside:
            raise GraphError(f"graph '{graph.name}' has no member '{path}': add it with call_module(…, module=…)")
        member = inside[part]
        while isinstance(member, Shared) and member.name in shared:
            member = shared[member.name]
    return member, shared


def is_what(member: Member, label: str | None, kind: Any) -> bool:
    if label is not None and label not in labels_of(member):
        return False
    if kind is None:
        return True
    names = names_of(kind)
    if isinstance(member, Unit):
        return member.target in names
    name = names[0].rpartition(".")[2]
    if name in WORDS and names[0].startswith("raynas."):
        return isinstance(member, WORDS[name])
    return getattr(member, "name", None) == name and not isinstance(member, Shared)


def labels_of(member: Member) -> list[str | None]:
    if isinstance(member, Choice | Pick):
        return [leaf.label for leaf in member.pick.leaves()]
    if isinstance(member, Repeated):
        return [leaf.label for leaf in member.depth.leaves()]
    if isinstance(member, Unit) and member.target == PLACEHOLDER:
        return [member.args[0] if member.args else member.kwargs.get("label")]
    return []


def op_of(member: Member) -> Op:
    """The op of a node that calls a member."""
    if isinstance(member, Choice | Pick | Repeated):
        return "choice"
    return "module" if isinstance(member, Unit) else "graph"


def described(member: Member) -> str:
    return member.target if isinstance(member, Unit) else getattr(member, "name", type(member).__name__)


def names_of(target: Any) -> list[str]:
    """The names under which a class or function may stand in a graph; a text stands for itself."""
    if isinstance(target, str):
        return [target]
    name = getattr(target, "__name__", "")
    public = [f"{home}.{name}" for home in PUBLIC if getattr(sys.modules.get(home), name, None) is target]
    if getattr(target, "__module__", "").startswith("torch.nn.modules."):
        public.append(f"torch.nn.{name}")
    return public or [qualified_name(target)]
