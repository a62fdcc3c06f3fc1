"""Flags: nodes of torch.fx's graphs that read a module's `training`, or run in some modes only."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx

from raynas.graph.node import When

FLAG = "training"
WHEN = "when"
"""Mark of a node, in its `meta`: in which modes it runs, as in the IR."""


def select(training: Any, evaluating: Any) -> Any:
    """Stands in a graph for the one of two values that a mode gives; the flag's path is in the node's `meta`."""
    raise NotImplementedError


READS = (operator.getitem, getattr, select)
"""Functions that only read: a node of theirs that nobody uses is left out."""


def when_of(node: fx.Node) -> When:
    """In which modes a node runs."""
    found: When = node.meta.get(WHEN, ())
    return found


def is_flag(node: fx.Node) -> bool:
    """Whether a node reads a module's `training`."""
    return node.op == "get_attr" and str(node.target).rpartition(".")[2] == FLAG


def used(graph: fx.Graph) -> list[fx.Node]:
    """The nodes without those that read something for nobody."""
    nodes = list(graph.nodes)
    if all(node.users or not _only_reads(node) for node in nodes):
        return nodes
    kept: list[fx.Node] = []
    needed: set[fx.Node] = set()
    for node in reversed(nodes):
        if node not in needed and _only_reads(node):
            continue
        needed.update(node.all_input_nodes)
        kept.append(node)
    return kept[::-1]


def _only_reads(node: fx.Node) -> bool:
    return node.op == "get_attr" or (node.op == "call_function" and node.target in READS)


def plain(value: Any, flag: str, is_true: bool) -> Any:
    """What is known of a value where a flag is true, or false: the flag's."""
    is_flag = isinstance(value, fx.Node) and value.op == "get_attr" and value.target == flag
    return is_true if is_flag else value
