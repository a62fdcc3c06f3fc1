"""Paths as source: `self.blocks[0].conv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raynas.graph import Graph, Member, Shared
from raynas.graph.graph import children
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.inline import is_inline
from raynas.pytorch.codegen.literals import quoted

DICT_OF = {"torch.nn.ModuleList": "torch.nn.ModuleDict", "torch.nn.ParameterList": "torch.nn.ParameterDict"}
DICTS = tuple(DICT_OF.values())
LISTS = ("torch.nn.ModuleList", "torch.nn.Sequential", "torch.nn.ParameterList")


def written(graph: Graph, path: str, local: Mapping[str, str] | None = None) -> str:
    """A path below an opened module.

    Args:
        graph: the opened module.
        path: dotted; the module itself where it is empty.
        local: variables that hold members, or parts of members, which are not yet assigned.
    """
    text, here = "self", graph
    scope: dict[str, Member] = dict(graph.shared)
    parts = path.split(".") if path else []
    for position, part in enumerate(parts):
        base = base_of(here) if isinstance(here, Graph) else ""
        if local and ".".join(parts[: position + 1]) in local:
            text = local[".".join(parts[: position + 1])]
        elif base in LISTS and part.isdigit() and isinstance(here, Graph) and _is_numbered(here):
            text += f"[{part}]"
        elif isinstance(here, Graph) and part in here.members and (base == DICTS[0] or base != here.base):
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


def base_of(graph: Graph) -> str:
    """The class of which an opened module is made: a dict where a list has lost some of its members.

    The others keep their names, and so do their weights.
    """
    lost = graph.base in DICT_OF and is_inline(graph) and not _is_numbered(graph)
    return DICT_OF[graph.base] if lost else graph.base


def _is_numbered(graph: Graph) -> bool:
    return list(graph.members) == [str(position) for position in range(len(graph.members))]
