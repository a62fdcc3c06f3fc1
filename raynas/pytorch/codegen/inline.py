"""Inline: which graphs are written as expressions."""

from __future__ import annotations

from raynas.graph import Graph, Tensor

PARAMETERS = ("torch.nn.ParameterList", "torch.nn.ParameterDict")
CONTAINERS = (*PARAMETERS, "torch.nn.Sequential", "torch.nn.ModuleList", "torch.nn.ModuleDict")


def is_inline(graph: Graph) -> bool:
    """Whether a graph is written as an expression, such as `nn.Sequential(…)`, rather than as a class."""
    if graph.base not in CONTAINERS:
        return False
    if graph.shared or graph.setup or graph.init is not None or graph.attributes:
        return False
    if graph.base in PARAMETERS:
        return not graph.nodes and all(isinstance(member, Tensor) for member in graph.members.values())
    if any(isinstance(member, Tensor) for member in graph.members.values()):
        return False
    if graph.base == "torch.nn.Sequential":
        return not graph.nodes or graph.is_sequential
    return not graph.nodes
