"""Shell: what graphs have in common that are alike but for the opened modules in them, found out once.

A graph of a space often has few choices of its own, and many in the modules that it calls. Its frozen variants with
the same choices of its own have the same steps, the same units and the same names. Known only of the graphs that a
search makes for itself: see `raynas.graph.candidate`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, NamedTuple

from raynas.graph.fixed import mentions_outside
from raynas.graph.form import Made, labels_of
from raynas.graph.graph import Graph
from raynas.graph.member import Choice, Member, Repeated, Shared, Unit
from raynas.graph.script import Script

LIMIT = 256
"""So many shells of one graph are remembered; then they are forgotten, and found out again."""


class Shell:
    """What was found out of the graphs of one shell; whoever finds out notes it.

    Attributes:
        met: whether there was one: what is found out of the first may never be of use.
        plain: how such a graph is simplified, as long as all modules that it calls are quiet; None: not known.
        simple: the shell of what comes of it.
        mould: its steps, as a fingerprint compares them, as long as each module in it gives one value.
        written: what was written of its forward pass, by the names that the text around imports.
    """

    __slots__ = ("met", "mould", "plain", "simple", "written")

    def __init__(self) -> None:
        self.met = False
        self.plain: Plain | None = None
        self.simple: Shell | None = None
        self.mould: Any = None
        self.written: dict[Hashable, Any] = {}

    def learn(self, frozen: Graph, simple: Graph, names: Mapping[str, str]) -> None:
        """Note how a graph was simplified in which nothing but members could be spared.

        Args:
            frozen: the graph.
            simple: what came of it.
            names: the old names of members that got another.
        """
        script = Script.of(frozen, simple, names)
        kept = [(new, old, frozen.members[old]) for new, old, _ in script.kept]
        parts = tuple([(new, old, None if type(item) is Graph else item) for new, old, item in kept])
        calls = tuple([node.target for node in simple.nodes if node.op == "graph"])
        self.plain = Plain(script, parts, calls, simple.init, simple.attributes)
        self.simple = self.simple or Shell()
        simple.notes["shell"] = self.simple


class Plain(NamedTuple):
    """How graphs of a shell are simplified.

    Attributes:
        script: tells the steps.
        members: new name, old name, and what stands there; None: an opened module.
        calls: new names of the modules that are called.
        init, attributes: as of the graph.
    """

    script: Script
    members: tuple[tuple[str, str, Member | None], ...]
    calls: tuple[str, ...]
    init: Unit | None
    attributes: Mapping[str, Any]


class Shells:
    """The shells of one graph of a space.

    Args:
        labels: of the choices that stand in it, those in its opened modules aside.
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._known: dict[Made, Shell] = {}

    def of(self, tokens: Mapping[str, Hashable]) -> Shell:
        """The shell of the variant that a sample stands for."""
        made = tuple([tokens.get(label, ()) for label in self._labels])
        found = self._known.get(made)
        if found is None:
            if len(self._known) >= LIMIT:
                self._known.clear()
            found = self._known[made] = Shell()
        return found


def of(graph: Graph) -> Shell | None:
    """The graph's shell; None where nobody gave it one."""
    return graph.notes.get("shell")


def of_variant(origin: Graph, tokens: Mapping[str, Hashable]) -> Shell | None:
    """The shell of the variant of a graph of a space that a sample stands for; None where it has none."""
    if "shells" not in origin.notes:
        origin.notes["shells"] = Shells(tuple(dict.fromkeys(_own(origin)))) if _has_shells(origin) else None
    shells: Shells | None = origin.notes["shells"]
    return None if shells is None else shells.of(tokens)


def _has_shells(graph: Graph) -> bool:
    """Whether what a graph does hangs on nothing but its own steps, units and what the modules that it calls do."""
    if graph.shared or graph.setup or not graph.nodes or mentions_outside(graph):
        return False
    direct = all(n.target in graph.members for n in graph.nodes if n.op in ("module", "graph", "choice", "attribute"))
    return direct and not any(node.when or node.op == "select" for node in graph.nodes)


def _own(graph: Graph) -> Iterator[str]:
    """The labels of the choices in a graph, those in its opened modules aside."""
    yield from labels_of(Graph(graph.name, None, graph.nodes, init=graph.init, attributes=graph.attributes))
    for member in graph.members.values():
        yield from _in_member(member)


def _in_member(member: Member) -> Iterator[str]:
    if isinstance(member, Choice):
        yield from (leaf.named() for leaf in member.pick.leaves())
        for candidate in member.candidates.values():
            yield from _in_member(candidate)
    elif not isinstance(member, Graph | Repeated | Shared):
        yield from labels_of(member)
