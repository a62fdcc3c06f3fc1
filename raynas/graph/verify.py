"""The rules of the IR, enforced: identifiers, order, and targets that exist."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Mapping
from typing import Any

from raynas.errors import GraphError
from raynas.graph.graph import Graph, children, find
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
from raynas.graph.node import Node, nodes_in
from raynas.graph.setup import is_there, paths_of
from raynas.graph.texts import PLAIN
from raynas.search_space import Leaf


def verify(
    graph: Graph, shared: Mapping[str, Member] | None = None, path: str = "", known: Collection[str] = ()
) -> None:
    """Raise `GraphError` for the first node or member that breaks a rule, naming it.

    Args:
        graph: what is looked at.
        shared: the shared members of the graphs above it.
        path: where it stands.
        known: the variables that the constructors of the graphs above it set.
    """
    where = path or f"graph '{graph.name}'"
    scope = {**(shared or {}), **graph.shared}
    if not graph.name.isidentifier():
        raise GraphError(f"{where} has the name {graph.name!r}, which is not an identifier")
    _qualified(graph.base, where)
    variables = {*known, *(step.name for step in graph.setup if isinstance(step, Let))}
    for name, member in [*graph.members.items(), *graph.shared.items()]:
        _member(name, member, scope, f"{where}.{name}", variables)
    if graph.init is not None:
        _unit(graph.init, where)
    made: set[str] = set()
    for step in graph.setup:
        _step(graph, step, where, variables, made)
    for name, kept in graph.attributes.items():
        if not identifier(name):
            raise GraphError(f"{where} keeps {name!r}, which is not an identifier")
        _plain(kept, f"{where}.{name}")
    seen: set[int] = set()
    for position, node in enumerate(graph.nodes):
        at = f"node '{node.name}' of {where}"
        if not node.name.isidentifier():
            raise GraphError(f"{at} has a name that is not an identifier")
        for earlier in node.inputs():
            if id(earlier) not in seen:
                raise GraphError(f"{at} uses '{earlier.name}', which does not come before it")
        _arguments(node, at)
        _modes(node, at)
        if node.op == "output" and position != len(graph.nodes) - 1:
            raise GraphError(f"{at} is an output and not the last node")
        _target(graph, node, scope, at)
        seen.add(id(node))
    if graph.nodes and graph.nodes[-1].op != "output":
        raise GraphError(f"{where} has no output")


def _step(graph: Graph, step: Step, where: str, variables: Collection[str], made: set[str]) -> None:
    if isinstance(step, Make):
        if not is_there(graph, step.name):
            raise GraphError(f"{where} makes '{step.name}', which is not a member of it")
        if step.name in made:
            raise GraphError(f"{where} makes '{step.name}' twice")
        made.add(step.name)
        return
    if isinstance(step, Let) and not identifier(step.name):
        raise GraphError(f"{where} sets a variable named {step.name!r}, which is not an identifier")
    if isinstance(step, Apply):
        _call(step, where)
    if not isinstance(step, Copy):
        _value((step.value,) if isinstance(step, Set | Let) else (step.args, dict(step.kwargs)), where, variables)
    for path in paths_of(step):
        if path and not all(attribute(part) for part in path.split(".")):
            raise GraphError(f"{where} sets up {path!r}, which is not a path of attributes")


def _value(value: Any, where: str, variables: Collection[str]) -> None:
    if isinstance(value, Local) and value.name not in variables:
        raise GraphError(f"{where} uses the variable {value.name!r}, which is not set")
    if isinstance(value, Unit):
        _call(value, where)
        _value((value.args, dict(value.kwargs)), where, variables)
    elif isinstance(value, tuple | list):
        for item in value:
            _value(item, where, variables)
    elif isinstance(value, dict):
        for item in value.values():
            _value(item, where, variables)


def _call(call: Unit | Apply, where: str) -> None:
    method = call.target.removeprefix(".")
    if method == call.target:
        _qualified(method, where)
    elif not identifier(method) or method.startswith("__"):
        raise GraphError(f"{where} calls the method {method!r}, which is not allowed")
    elif not call.args or not isinstance(call.args[0], Path | Local | Unit):
        raise GraphError(f"{where} calls the method {method!r} of nothing that was made before")


ARGUMENTS = {"input": (0, 1), "attribute": (0, 0), "output": (1, 1), "method": (1, None), "select": (2, 2)}
"""How many arguments without a name a node of this kind has, at least and at most; None: any number."""

READS = {"operator.getitem": (2, 2), "builtins.getattr": (2, 3)}
"""The same of functions that read a part of their first argument."""


def _arguments(node: Node, at: str) -> None:
    bounds = READS.get(node.target) if node.op == "function" else ARGUMENTS.get(node.op)
    if bounds is None:
        return
    least, most = bounds
    if len(node.args) < least or (most is not None and len(node.args) > most):
        raise GraphError(f"{at} has {len(node.args)} arguments: {_calls(node)} takes {_number(least, most)}")
    if node.op == "input" and next(node.inputs(), None) is not None:
        raise GraphError(f"{at} is an input whose default is another node")
    if node.kwargs and (most is not None):
        raise GraphError(f"{at} has the argument {next(iter(node.kwargs))!r}: {_calls(node)} takes none with a name")


def _calls(node: Node) -> str:
    return node.target if node.op == "function" else f"an {node.op}" if node.op[0] in "aio" else f"a {node.op}"


def _number(least: int, most: int | None) -> str:
    return f"at least {least}" if most is None else str(least) if least == most else f"{least} or {most}"


def _modes(node: Node, at: str) -> None:
    """Refuse a node that uses what does not run whenever it does."""
    mine = set(node.when)
    if node.when and node.op in ("input", "output"):
        raise GraphError(f"{at} is an {node.op} that only runs in some modes")
    if len(set(node.flags)) < len(node.flags):
        raise GraphError(f"{at} hangs twice on the same mode")
    given = [(nodes_in((node.args, node.kwargs)), mine)]
    if node.op == "select":
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
        if isinstance(member, Pick):
            _inputs(node, member, at)
    if node.op == "attribute":
        for part in node.target.split("."):
            if not attribute(part):
                raise GraphError(f"{at} reads {node.target!r}, which is not a path of identifiers")


def _inputs(node: Node, member: Pick, at: str) -> None:
    """Refuse an input choice whose candidates lie outside of what it is given."""
    alone = len(node.args) == 1 and isinstance(node.args[0], list | tuple)
    number = len(node.args[0] if alone else node.args)
    for token in member.pick.tokens if isinstance(member.pick, Leaf) else ():
        some = token if isinstance(token, tuple) else (token,)
        if not some or not all(type(position) is int and 0 <= position < number for position in some):
            raise GraphError(f"{at} can choose {token!r} of its {number} inputs, counted from 0")


def _chosen(member: Choice | Repeated, where: str) -> None:
    """Refuse a choice that can be made and leads nowhere; what an expression gives is seen when it is evaluated."""
    if isinstance(member, Choice) and isinstance(member.pick, Leaf):
        for token in member.pick.tokens:
            if token not in member.candidates:
                raise GraphError(f"{where} can be {token!r}, and has no such candidate")
    if isinstance(member, Repeated) and isinstance(member.depth, Leaf):
        for token in member.depth.tokens:
            if type(token) is not int or not 0 <= token <= len(member.blocks):
                raise GraphError(f"{where} can have the depth {token!r}, and it has {len(member.blocks)} blocks")


def _member(name: str, member: Member, scope: Mapping[str, Member], where: str, variables: Collection[str]) -> None:
    if not attribute(name):
        raise GraphError(f"{where} has a name that is no attribute name")
    if isinstance(member, Graph):
        verify(member, scope, where, variables)
        return
    if isinstance(member, Unit):
        _unit(member, where)
    if isinstance(member, Tensor):
        _value(member.value, where, variables)
    if isinstance(member, Choice | Repeated):
        _chosen(member, where)
    if isinstance(member, Shared) and member.name not in scope:
        raise GraphError(f"{where} is shared under '{member.name}', which no graph above it holds")
    for child, item in children(member).items():
        _member("0" if isinstance(member, Choice) else child, item, scope, f"{where}.{child}", variables)


def _unit(unit: Unit, where: str) -> None:
    _qualified(unit.target, where)
    for key in unit.kwargs:
        if not identifier(key):
            raise GraphError(f"{where} passes an argument named {key!r}, which is not an identifier")
    if not PLAIN.issuperset(map(type, unit.args)) or not PLAIN.issuperset(map(type, unit.kwargs.values())):
        _plain((unit.args, dict(unit.kwargs)), where)


def _plain(value: Any, where: str) -> None:
    """Refuse, outside of a constructor's steps, what only those know."""
    if isinstance(value, Unit):
        _unit(value, where)
    elif isinstance(value, Local | Path | Node):
        raise GraphError(f"{where} holds {value!r}: only a constructor's step may name what was made before")
    elif isinstance(value, tuple | list):
        for item in value:
            _plain(item, where)
    elif isinstance(value, dict):
        for item in value.values():
            _plain(item, where)


def identifier(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def attribute(text: str) -> bool:
    """Whether `text` can name a child of a module: an identifier, or what `add_module` takes beside."""
    return bool(text) and "." not in text and text.isprintable()


def _qualified(name: str, where: str) -> None:
    if not all(identifier(part) for part in name.split(".")):
        raise GraphError(f"{where} names {name!r}, which is not a qualified name")
