"""The rules of the IR, enforced: identifiers, order, and targets that exist."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Any

from raynas.errors import GraphError
from raynas.graph.graph import Graph, children, find
from raynas.graph.member import Apply, Choice, Copy, Let, Make, Member, Set, Shared, Step, Tensor, Unit
from raynas.graph.node import Node, nodes_in
from raynas.graph.setup import is_there, paths_of


def verify(graph: Graph, shared: Mapping[str, Member] | None = None, path: str = "") -> None:
    """Raise `GraphError` for the first node or member that breaks a rule, naming it."""
    where = path or f"graph '{graph.name}'"
    scope = {**(shared or {}), **graph.shared}
    if not graph.name.isidentifier():
        raise GraphError(f"{where} has the name {graph.name!r}, which is not an identifier")
    _qualified(graph.base, where)
    for name, member in [*graph.members.items(), *graph.shared.items()]:
        _member(name, member, scope, f"{where}.{name}")
    if graph.init is not None:
        _unit(graph.init, where)
    for step in graph.setup:
        _step(graph, step, where)
    for name in graph.attributes:
        if not identifier(name):
            raise GraphError(f"{where} keeps {name!r}, which is not an identifier")
    seen: set[int] = set()
    for position, node in enumerate(graph.nodes):
        at = f"node '{node.name}' of {where}"
        if not node.name.isidentifier():
            raise GraphError(f"{at} has a name that is not an identifier")
        for earlier in node.inputs():
            if id(earlier) not in seen:
                raise GraphError(f"{at} uses '{earlier.name}', which does not come before it")
        _modes(node, at)
        if node.op == "output" and position != len(graph.nodes) - 1:
            raise GraphError(f"{at} is an output and not the last node")
        _target(graph, node, scope, at)
        seen.add(id(node))
    if graph.nodes and graph.nodes[-1].op != "output":
        raise GraphError(f"{where} has no output")


def _step(graph: Graph, step: Step, where: str) -> None:
    if isinstance(step, Make):
        if not is_there(graph, step.name):
            raise GraphError(f"{where} makes '{step.name}', which is not a member of it")
        return
    if isinstance(step, Let) and not identifier(step.name):
        raise GraphError(f"{where} sets a variable named {step.name!r}, which is not an identifier")
    if isinstance(step, Apply):
        _called(step.target, where)
    if not isinstance(step, Copy):
        _value((step.value,) if isinstance(step, Set | Let) else (step.args, dict(step.kwargs)), where)
    for path in paths_of(step):
        if path and not all(attribute(part) for part in path.split(".")):
            raise GraphError(f"{where} sets up {path!r}, which is not a path of attributes")


def _value(value: Any, where: str) -> None:
    if isinstance(value, Unit):
        _called(value.target, where)
        _value((value.args, dict(value.kwargs)), where)
    elif isinstance(value, tuple | list):
        for item in value:
            _value(item, where)
    elif isinstance(value, dict):
        for item in value.values():
            _value(item, where)


def _called(target: str, where: str) -> None:
    if target.startswith("."):
        if not identifier(target[1:]) or target.startswith(".__"):
            raise GraphError(f"{where} calls the method {target[1:]!r}, which is not allowed")
        return
    _qualified(target, where)


def _modes(node: Node, at: str) -> None:
    """Refuse a node that uses what does not run whenever it does."""
    mine = set(node.when)
    if node.when and node.op in ("input", "output"):
        raise GraphError(f"{at} is an {node.op} that only runs in some modes")
    if len(set(node.flags)) < len(node.flags):
        raise GraphError(f"{at} hangs twice on the same mode")
    given = [(nodes_in((node.args, node.kwargs)), mine)]
    if node.op == "select":
        if len(node.args) != 2 or node.kwargs:
            raise GraphError(f"{at} selects between other than two values")
        given = [(nodes_in((node.args[i],)), mine | {(node.target, i == 0)}) for i in range(2)]
    for earlier, modes in ((earlier, modes) for found, modes in given for earlier in found):
        if not modes.issuperset(earlier.when):
            modes_of = " and ".join(path if value else f"not {path}" for path, value in earlier.when)
            raise GraphError(f"{at} uses '{earlier.name}', which only runs if {modes_of}")


def _target(graph: Graph, node: Node, scope: Mapping[str, Member], at: str) -> None:
    if node.op == "input" and not identifier(node.target.lstrip("*")):
        raise GraphError(f"{at} is an input named {node.target!r}, which is not an identifier")
    if node.op == "method" and not identifier(node.target):
        raise GraphError(f"{at} calls the method {node.target!r}, which is not an identifier")
    if node.op == "function":
        _qualified(node.target, at)
    for path in node.flags if node.when or node.op == "select" else ():
        above, _, name = path.rpartition(".")
        try:
            known = name == "training" and (not above or find(graph, above, scope) is not None)
        except GraphError:
            known = False
        if not known:
            raise GraphError(f"{at} hangs on '{path}', which is no module's training")
    if node.op in ("module", "graph", "choice"):
        try:
            member, _ = find(graph, node.target, scope)
        except GraphError as error:
            raise GraphError(f"{at} calls '{node.target}': {error}") from None
        is_unit, is_graph = isinstance(member, Unit), isinstance(member, Graph)
        if (node.op == "module") != is_unit or (node.op == "graph") != is_graph:
            raise GraphError(f"{at} calls '{node.target}' as a {node.op}, and it is a {type(member).__name__}")
    if node.op == "attribute":
        for part in node.target.split("."):
            if not attribute(part):
                raise GraphError(f"{at} reads {node.target!r}, which is not a path of identifiers")


def _member(name: str, member: Member, scope: Mapping[str, Member], where: str) -> None:
    if not attribute(name):
        raise GraphError(f"{where} has a name that is no attribute name")
    if isinstance(member, Graph):
        verify(member, scope, where)
        return
    if isinstance(member, Unit):
        _unit(member, where)
    if isinstance(member, Tensor) and isinstance(member.value, Unit):
        _value(member.value, where)
    if isinstance(member, Shared) and member.name not in scope:
        raise GraphError(f"{where} is shared under '{member.name}', which no graph above it holds")
    for child, item in children(member).items():
        _member("0" if isinstance(member, Choice) else child, item, scope, f"{where}.{child}")


def _unit(unit: Unit, where: str) -> None:
    _qualified(unit.target, where)
    for key in unit.kwargs:
        if not identifier(key):
            raise GraphError(f"{where} passes an argument named {key!r}, which is not an identifier")
    for item in (*unit.args, *unit.kwargs.values()):
        if isinstance(item, Unit):
            _unit(item, where)


def identifier(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def attribute(text: str) -> bool:
    """Whether `text` can name a child of a module: an identifier, or what `add_module` takes beside."""
    return bool(text) and "." not in text and text.isprintable()


def _qualified(name: str, where: str) -> None:
    if not all(identifier(part) for part in name.split(".")):
        raise GraphError(f"{where} names {name!r}, which is not a qualified name")
