"""The IR: a model as a hierarchy of graphs, with or without choices in it. Knows neither torch nor ray."""

from raynas.graph.graph import Graph
from raynas.graph.member import (
    Apply,
    Choice,
    Copy,
    Let,
    Local,
    Make,
    Member,
    Path,
    Pick,
    Repeated,
    Set,
    Shared,
    Step,
    Tensor,
    Unit,
)
from raynas.graph.mutator import Mutator
from raynas.graph.node import Node
from raynas.graph.simplify import simplify
from raynas.graph.space import GraphSpace

__all__ = [
    "Apply",
    "Choice",
    "Copy",
    "Graph",
    "GraphSpace",
    "Let",
    "Local",
    "Make",
    "Member",
    "Mutator",
    "Node",
    "Path",
    "Pick",
    "Repeated",
    "Set",
    "Shared",
    "Step",
    "Tensor",
    "Unit",
    "simplify",
]
