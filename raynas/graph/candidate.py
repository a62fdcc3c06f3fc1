"""Candidate: what a search makes of a sample: frozen and simplified in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raynas.graph import form, shell
from raynas.graph.fixed import is_fixed
from raynas.graph.form import Form
from raynas.graph.freeze import Freezer, Scope
from raynas.graph.graph import Graph
from raynas.graph.member import Member
from raynas.graph.parts import graphs_in
from raynas.graph.plain import is_quiet
from raynas.graph.shell import Shell
from raynas.graph.simplify import settled_simplify, simplified
from raynas.search_space import Value


def candidate(graph: Graph, sample: Mapping[str, Value]) -> Graph:
    """The simplified graph that `sample`, a valid one, stands for, as freezing and simplifying would make it.

    Nobody else ever has the space's graph in hands, nor what comes of it; so none of them is looked at for changes.
    """
    if "shares" not in graph.notes:
        graph.notes["shares"] = any(inner.shared for inner in graph.subgraphs())
    if is_fixed(graph):
        return settled_simplify(graph)
    return (
        settled_simplify(Freezer(sample).opened(graph, {})) if graph.notes["shares"] else _Maker(sample).simple(graph)
    )


class _Maker(Freezer):
    """Makes the choices of one sample; the graphs inside the model are simplified at once."""

    def __init__(self, sample: Mapping[str, Value]) -> None:
        super().__init__(sample)
        self.made: dict[int, Graph] = {}

    def simple(self, graph: Graph, again: bool = False, known: Form | None = None) -> Graph:
        """A graph of the space with its choices made, simplified.

        Args:
            graph: of the space.
            again: whether it stands in another place already, so that it must have units of its own.
            known: the frozen graph's form.
        """
        outline = None if again else shell.of_variant(graph, self.tokens)
        simple = self.played(graph, outline) if outline is not None else None
        if simple is None:
            frozen = self.opened(graph, {})
            if outline is not None and outline.met:
                frozen.notes["shell"] = outline
            elif outline is not None:
                outline.met = True
            if known is not None:
                form.give(frozen, known)
            simple = _around(frozen)
            simple.notes["frozen"] = frozen  # as long as both live, a script can be made of them
        return simple

    def played(self, graph: Graph, outline: Shell) -> Graph | None:
        """The same, as it was made of another graph of this shell; None where that does not hold for this one."""
        if outline.plain is None:
            return None
        script, parts, calls, init, attributes = outline.plain
        seen = self.seen.copy()
        simple = Graph(graph.name, None, [], graph.base, None, init, (), attributes)
        members = simple.members
        for new, old, item in parts:
            members[new] = self.member(graph.members[old], {}) if item is None else item
        for name in calls:
            called = members[name]
            if type(called) is not Graph or not is_quiet(called, {}):
                self.seen = seen
                return None
        script.run(simple.nodes)
        simple.notes["plain"] = True
        simple.notes["shell"] = outline.simple
        return simple

    def graph(self, graph: Graph, scope: Scope) -> Graph:
        """A graph inside the model: one of before where the choices were the same."""
        if is_fixed(graph):
            return simplified(super().graph(graph, scope), scope, self.made)
        origin = form.origin_of(graph)
        if origin is None:
            return self.simple(graph)
        made = origin.made(self.tokens)
        again = id(graph) in self.seen
        self.seen.add(id(graph))
        simple = None if again else origin.simple.get(made)
        if simple is None:
            simple = self.simple(graph, again, origin.form(made))
            if not again:
                origin.keep_simple(made, simple)
        return simple

    def chain(self, blocks: Sequence[Member], scope: Scope) -> Graph:
        return _around(super().chain(blocks, scope))


def _around(frozen: Graph) -> Graph:
    """A graph simplified in which all others are."""
    return simplified(frozen, {}, {id(inner): inner for inner in graphs_in(frozen)})
