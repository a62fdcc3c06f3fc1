"""Simplify: the same computation with less graph."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import cast

from raynas.graph import form, shell
from raynas.graph.form import Form
from raynas.graph.graph import Graph, children
from raynas.graph.member import Member, Set, Shared
from raynas.graph.parts import is_same, settle, watch
from raynas.graph.reduce import reduced
from raynas.graph.script import Script
from raynas.graph.setup import is_there, paths_of


def simplify(graph: Graph) -> Graph:
    """A copy of a frozen graph that computes exactly the same with fewer steps and members.

    Identities and steps that nobody uses go; a zero goes from a sum whose shape and dtype it does not change;
    deterministic steps of the same kind with the same inputs and no parameters become one. Never merged: what draws
    random numbers, and two units with parameters. A graph that writes in place keeps all its steps but identities.
    """
    settle(graph)
    simple = settled_simplify(graph)
    simple.notes.pop("plain", None)  # of use to graphs around it only
    watch(simple)
    return simple


def settled_simplify(graph: Graph) -> Graph:
    """The same for a graph of which all that is known is true, and as one that nobody else gets into his hands."""
    simple = simplified(graph, {}, {}) if graph.nodes else graph.copied()
    simple.history = list(graph.history)
    return simple


def simplified(graph: Graph, scope: Mapping[str, Member], made: dict[int, Graph]) -> Graph:
    """The same for a graph that stands in others.

    Args:
        graph: frozen, and as in `settled_simplify`.
        scope: the shared members that are known where it stands.
        made: what came of graphs that were simplified before, by the ids of these, which must live as long; grows.
    """
    if id(graph) in made:
        return made[id(graph)]
    if "simple" in graph.notes:
        return cast(Graph, graph.notes["simple"])
    inner = {**scope, **graph.shared} if graph.shared else scope

    def member(item: Member) -> Member:
        return simplified(item, inner, made) if isinstance(item, Graph) else item

    known, outline = form.of(graph), shell.of(graph)
    script = _script(known) if known is not None else None
    if script is not None:
        simple = script.play(graph, member)
    else:
        simple = graph.emptied(member)
        names: dict[str, str] = {}
        if graph.nodes:
            simple.nodes = graph.nodes
            simple.nodes = reduced(simple, {**scope, **simple.shared})
            names = _members(simple)
        if known is not None:
            known.first = weakref.ref(graph), weakref.ref(simple), names
        if outline is not None and simple.notes.get("plain"):
            outline.learn(graph, simple, names)
    made[id(graph)] = simple
    if known is not None:
        form.give(simple, known.simplified())
        if graph.notes.get("fixed"):  # several variants hold this very graph
            graph.notes["simple"] = simple
    return simple


def _script(known: Form) -> Script | None:
    """How graphs of a form are simplified, once one of them was; made when a second one comes."""
    if known.script is None and known.first is not None:
        old, new, names = known.first
        before, after = old(), new()
        if before is not None and after is not None and _is_still(before, known) and _is_still(after, known.simple):
            known.script = Script.of(before, after, names)
    script: Script | None = known.script
    return script


def _is_still(graph: Graph, known: Form | None) -> bool:
    """Whether a graph still has the form that it was given."""
    return form.of(graph) is known and is_same(graph)


def _members(graph: Graph) -> dict[str, str]:
    """Take out the members that no step reaches, and number a sequence anew: new names, and the old ones."""
    used = {node.target for node in graph.nodes if node.op in ("module", "graph", "attribute")}
    flags = {path for node in graph.nodes if node.when or node.op == "select" for path in node.flags}
    used |= flags
    used |= {path for step in graph.setup for path in paths_of(step) if isinstance(step, Set)}
    _keep(graph, used)
    if graph.setup:
        graph.setup = [step for step in graph.setup if all(is_there(graph, path) for path in paths_of(step))]
    if graph.shared:
        for name in [name for name in graph.shared if name not in _mentions(graph)]:
            del graph.shared[name]
    steps = [node for node in graph.nodes if node.op in ("module", "graph", "attribute")]
    sequence = graph.base == "torch.nn.Sequential" and not graph.setup and all(map(str.isdigit, graph.members))
    if not sequence or flags or any(node.target not in graph.members for node in steps):
        return {}
    names = {name: str(position) for position, name in enumerate(graph.members)}
    graph.members = {names[name]: member for name, member in graph.members.items()}
    for node in steps:
        node.target = names[node.target]
    return {new: old for old, new in names.items()}


def _keep(graph: Graph, used: set[str]) -> None:
    dotted = [path for path in used if "." in path]
    for name, member in list(graph.members.items()):
        if name in used:
            continue
        inside = {path[len(name) + 1 :] for path in dotted if path.startswith(f"{name}.")}
        if not inside:
            del graph.members[name]
        elif isinstance(member, Graph) and not member.nodes and member.init is None:
            graph.members[name] = container = member.emptied(lambda item: item)  # others may hold it, too
            _keep(container, inside)


def _mentions(member: Member) -> set[str]:
    if isinstance(member, Shared):
        return {member.name}
    inside = list(children(member).values())
    return {name for child in inside for name in _mentions(child)}
