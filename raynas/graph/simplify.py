"""Simplify: the same computation with less graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from raynas.graph import form, kinds
from raynas.graph.abstract import Abstract
from raynas.graph.graph import Graph, children
from raynas.graph.member import Member, Set, Shared, Unit
from raynas.graph.node import Node, map_nodes
from raynas.graph.script import Script
from raynas.graph.setup import is_there, paths_of
from raynas.search_space.domain import exact

_scripts: form.Table[Script] = form.Table()


def simplify(graph: Graph) -> Graph:
    """A copy of a frozen graph that computes exactly the same with fewer steps and members.

    Identities and steps that nobody uses go; a zero goes from a sum whose shape and dtype it does not change;
    deterministic steps of the same kind with the same inputs and no parameters become one. Never merged: what draws
    random numbers, and two units with parameters. A graph that writes in place keeps all its steps but identities.
    """
    simple = _simplified(graph, {}, {}) if graph.nodes else graph.copied()
    simple.history = list(graph.history)
    return simple


def _simplified(graph: Graph, scope: Mapping[str, Member], made: dict[int, Graph]) -> Graph:
    if id(graph) in made:
        return made[id(graph)]
    if "simple" in graph.notes:
        return cast(Graph, graph.notes["simple"])
    inner = {**scope, **graph.shared}

    def member(item: Member) -> Member:
        return _simplified(item, inner, made) if isinstance(item, Graph) else item

    name = form.of(graph)
    if name in _scripts:
        copy = _scripts[name].play(graph, member)
    else:
        copy = graph.copied(member)
        names: dict[str, str] = {}
        if copy.nodes:
            _steps(copy, {**scope, **copy.shared})
            names = _members(copy)
        if name is not None:
            _scripts.note(name, Script.of(graph, copy, names))
    made[id(graph)] = copy
    if name is not None:
        form.give(copy, ("simple", name))
    if name is not None and graph.notes.get("fixed"):  # all variants hold this very graph
        graph.notes["simple"] = copy
    return copy


def _steps(graph: Graph, scope: Mapping[str, Member]) -> None:
    """Rewrite the steps until nothing changes."""
    while True:
        abstract = Abstract(graph, scope)
        replaced = dict(_replaceable(graph, abstract))
        moved = not abstract.writes_in_place and _zeros_of_first(graph, abstract)
        if replaced:
            _replace(graph, replaced)
        elif not moved:
            _drop_unused(graph, abstract)
            return


def _replaceable(graph: Graph, abstract: Abstract) -> Iterator[tuple[int, Node]]:
    """Steps with another step that gives the same."""
    ordered = abstract.writes_in_place
    seen: dict[str, Node] = {}
    zeros: dict[object, Node] = {}
    for node in graph.nodes:
        if node.op in ("input", "output"):
            continue
        same = abstract.passes(node)
        if same is not None:
            yield id(node), same
            continue
        if ordered:
            continue
        kept = _sum_without_zero(node, abstract)
        if kept is not None:
            yield id(node), kept
            continue
        if abstract.is_zero(node):
            zero = zeros.setdefault(abstract[node].shape, node)
            if zero is not node:
                yield id(node), zero
                continue
        form = _form(node, abstract)
        if form is not None:
            twin = seen.setdefault(form, node)
            if twin is not node:
                yield id(node), twin


def _zeros_of_first(graph: Graph, abstract: Abstract) -> bool:
    """Make zeros like the first value of their shape, whatever they were made like; whether any changed."""
    first: dict[object, Node] = {}
    moved = False
    for node in graph.nodes:
        known = first.setdefault(abstract[node].shape, node)
        if node.target == "torch.zeros_like" and known is not node and node.args != (known,) and len(node.args) == 1:
            moved = moved or node.args[0] is not known
            node.args = (known,)
    return moved


def _sum_without_zero(node: Node, abstract: Abstract) -> Node | None:
    """The other term of a sum with a zero of the same shape and dtype."""
    if node.op != "function" or node.target not in kinds.SUMS or len(node.args) != 2 or node.kwargs:
        return None
    left, right = node.args
    if not (isinstance(left, Node) and isinstance(right, Node)):
        return None
    for zero, other in ((left, right), (right, left)):
        if abstract.is_zero(zero) and abstract.same_shape(zero, other):
            return other
    return None


def _form(node: Node, abstract: Abstract) -> str | None:
    """A text that two steps share if one can stand for the other; None for one that nothing can stand for."""
    if node.op == "module":
        unit = abstract.unit(node)
        if unit is None or unit.target not in kinds.STATELESS or unit.target in kinds.RANDOM or kinds.in_place(unit):
            return None
        what = _shown((unit.target, unit.args, dict(unit.kwargs)))
    elif node.op == "function" and node.target in kinds.DETERMINISTIC_FUNCTIONS:
        what = node.target
    elif node.op == "method" and node.target in kinds.PURE_METHODS:
        what = f".{node.target}"
    elif node.op == "attribute":
        what = f"self.{node.target}"
    else:
        return None
    return f"{what}{_shown((node.args, node.kwargs))}"


def _shown(value: Any) -> str:
    if isinstance(value, Node):
        return f"#{id(value)}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({','.join(map(_shown, value))})"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_shown(item)}" for key, item in sorted(value.items(), key=repr)) + "}"
    if isinstance(value, slice):
        return f"[{_shown(value.start)}:{_shown(value.stop)}:{_shown(value.step)}]"
    if isinstance(value, Unit):
        return _shown((value.target, value.args, dict(value.kwargs)))
    return exact(value) if isinstance(value, str | int | float | bool) or value is None else repr(value)


def _replace(graph: Graph, replaced: Mapping[int, Node]) -> None:
    def final(node: Node) -> Node:
        while id(node) in replaced:
            node = replaced[id(node)]
        return node

    for node in graph.nodes:
        node.args, node.kwargs = map_nodes((node.args, node.kwargs), final)
    graph.nodes = [node for node in graph.nodes if id(node) not in replaced]


def _drop_unused(graph: Graph, abstract: Abstract) -> None:
    """Take out the steps whose results nobody uses and that do nothing else."""
    needed: set[int] = set()
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        idle = node.op not in ("input", "output") and abstract.is_pure(node)
        if idle and id(node) not in needed:
            continue
        needed.update(id(earlier) for earlier in node.inputs())
        kept.append(node)
    graph.nodes = kept[::-1]


def _members(graph: Graph) -> dict[str, str]:
    """Take out the members that no step reaches, and number a sequence anew: new names, and the old ones."""
    used = {node.target for node in graph.nodes if node.op in ("module", "graph", "attribute")}
    used |= {path for step in graph.setup for path in paths_of(step) if isinstance(step, Set)}
    _keep(graph, used)
    graph.setup = [step for step in graph.setup if all(is_there(graph, path) for path in paths_of(step))]
    for name in [name for name in graph.shared if name not in _mentions(graph)]:
        del graph.shared[name]
    steps = [node for node in graph.nodes if node.op in ("module", "graph", "attribute")]
    sequence = graph.base == "torch.nn.Sequential" and not graph.setup and all(map(str.isdigit, graph.members))
    if not sequence or any(node.target not in graph.members for node in steps):
        return {}
    names = {name: str(position) for position, name in enumerate(graph.members)}
    graph.members = {names[name]: member for name, member in graph.members.items()}
    for node in steps:
        node.target = names[node.target]
    return {new: old for old, new in names.items()}


def _keep(graph: Graph, used: set[str]) -> None:
    for name, member in list(graph.members.items()):
        inside = {path[len(name) + 1 :] for path in used if path.startswith(f"{name}.")}
        if name in used:
            continue
        if not inside:
            del graph.members[name]
        elif isinstance(member, Graph) and not member.nodes and member.init is None:
            _keep(member, inside)


def _mentions(member: Member) -> set[str]:
    if isinstance(member, Shared):
        return {member.name}
    inside = list(children(member).values())
    return {name for child in inside for name in _mentions(child)}
