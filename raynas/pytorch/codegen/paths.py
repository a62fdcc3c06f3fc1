"""Paths as source: `self.blocks[0].conv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raynas.graph import Graph, Member, Shared
from raynas.graph.graph import children
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.literals import quoted

LISTS = ("torch.nn.ModuleList", "torch.nn.Sequential", "torch.nn.ParameterList")


def written(graph: Graph, path: str, local: Mapping[str, str] | None = None) -> str:
    """A path below an opened module.

    Args:
        graph: the opened module.
        path: dotted; the module itself where it is empty.
        local: variables that hold members which are not yet assigned.
    """
    text, here = "self", graph
    scope: dict[str, Member] = dict(graph.shared)
    parts = path.split(".") if path else []
    for position, part in enumerate(parts):
        base = here.base if isinstance(here, Graph) else ""
        if position == 0 and local and part in local:
            text = local[part]
        elif base in LISTS and part.isdigit() and isinstance(here, Graph) and _is_numbered(here):
            text += f"[{part}]"
        elif base == "torch.nn.ModuleDict" and isinstance(here, Graph) and part in here.members:
            text += f"[{quoted(part)}]"
        elif identifier(part):
            text += f".{part}"
        else:
            text += f".get_submodule({quoted(part)})"
        found: Any = children(here).get(part) if isinstance(here, Graph) else None
        while isinstance(found, Shared):
            found = scope.get(found.name)
        if isinstance(found, Graph):
            scope.update(found.shared)
        here = found
    return text


def _is_numbered(graph: Graph) -> bool:
    return list(graph.members) == [str(position) for position in range(len(graph.members))]
