"""Inline: which members are written as expressions, and which shared ones they mention."""

from __future__ import annotations

from collections.abc import Mapping

from raynas.graph import Graph, Member, Shared, Tensor, Unit
from raynas.graph.graph import children


def is_inline(graph: Graph) -> bool:
    """Whether a graph is written as an expression, such as `nn.Sequential(…)`, rather than as a class."""
    if graph.shared or graph.setup or graph.init is not None or graph.attributes:
        return False
    if graph.base in ("torch.nn.ParameterList", "torch.nn.ParameterDict"):
        return not graph.nodes and all(isinstance(member, Tensor) for member in graph.members.values())
    if any(isinstance(member, Tensor) for member in graph.members.values()):
        return False
    if graph.base == "torch.nn.Sequential":
        return not graph.nodes or graph.is_sequential
    return graph.base in ("torch.nn.ModuleList", "torch.nn.ModuleDict") and not graph.nodes


def mentioned(member: Member) -> list[str]:
    """The shared members that a member mentions and does not hold, at any depth, each once, in order."""
    if isinstance(member, Unit):
        return []
    if isinstance(member, Shared):
        return [member.name]
    inside = list(children(member).values())
    own: Mapping[str, Member] = {}
    if isinstance(member, Graph):
        own = member.shared
        inside += own.values()
    found: dict[str, None] = {}
    for child in inside:
        for name in mentioned(child):
            if name not in own:
                found[name] = None
    return list(found)
