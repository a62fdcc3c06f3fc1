"""Graph: a module that was opened: its members and the steps of its forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from raynas.errors import GraphError
from raynas.graph.editing import Editing
from raynas.graph.member import Choice, Member, Repeated, Shared, Step, Unit
from raynas.graph.node import Node, Op, When, map_nodes


class Graph(Editing):
    """A module, opened.

    Attributes:
        name: the user's class name.
        base: the qualified name of the class it is made of: `torch.nn.Module`, `torch.nn.Sequential`, …
        members: children, parameters and buffers by attribute name, in the order in which they were registered.
        nodes: the forward pass in program order; inputs first, one output last; empty where it is never called.
        shared: members that stand in several places, by name; the places hold a `Shared` of that name.
        init: the call of the base's constructor, where the base is more than a container; without nodes of its own, the
            graph's forward pass is then the base's.
        setup: the constructor's steps in order; members that it does not make are made before it, in their order.
        attributes: plain values that the module keeps and that its forward pass does not read.
        history: what mutators have done to it, in order, each step as a line.
        notes: what raynas has found out of the graph, for its own use: never written down, not copied.
    """

    def __init__(
        self,
        name: str,
        members: Mapping[str, Member] | None = None,
        nodes: list[Node] | None = None,
        base: str = "torch.nn.Module",
        shared: Mapping[str, Member] | None = None,
        init: Unit | None = None,
        setup: Sequence[Step] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.base = base
        self.members: dict[str, Member] = dict(members or {})
        self.nodes: list[Node] = nodes if nodes is not None else []
        self.shared: dict[str, Member] = dict(shared or {})
        self.init = init
        self.setup: list[Step] = list(setup)
        self.attributes: dict[str, Any] = dict(attributes or {})
        self.history: list[str] = []
        self.notes: dict[str, Any] = {}
        self._place = None
        self._outermost = None
        self.to_member = None

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {len(self.members)} members, {len(self.nodes)} nodes)"

    def add(
        self,
        op: Op,
        target: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str = "",
        when: When = (),
    ) -> Node:
        """Append a node; its name is made unique."""
        node = Node(self.fresh_name(name or target.rpartition(".")[2]), op, target, args, kwargs, when)
        self.notes.clear()
        self.nodes.append(node)
        return node

    def fresh_name(self, wanted: str) -> str:
        """`wanted`, with a number behind it where that name is taken."""
        taken = {node.name for node in self.nodes}
        name, count = wanted, 1
        while name in taken:
            name, count = f"{wanted}_{count}", count + 1
        return name

    @property
    def inputs(self) -> list[Node]:
        return [node for node in self.nodes if node.op == "input"]

    @property
    def output(self) -> Node:
        """The last node; `GraphError` where the graph has no forward pass."""
        if not self.nodes or self.nodes[-1].op != "output":
            raise GraphError(f"graph '{self.name}' has no output: it is never called")
        return self.nodes[-1]

    @property
    def is_sequential(self) -> bool:
        """Whether the forward pass is that of `nn.Sequential`: each member once, in order."""
        if self.base != "torch.nn.Sequential" or self.setup:
            return False
        steps, last = self.nodes[1:-1], self.nodes[0] if self.nodes else None
        if len(self.inputs) != 1 or len(steps) != len(self.members):
            return False
        for name, node in zip(self.members, steps, strict=True):
            if node.target != name or node.op not in ("module", "graph") or node.kwargs or node.when:
                return False
            if len(node.args) != 1 or node.args[0] is not last:
                return False
            last = node
        return len(self.output.args) == 1 and self.output.args[0] is last

    def member(self, path: str) -> Member:
        """The member at a dotted path below this graph; `GraphError` where there is none."""
        return find(self, path, self.shared)[0]

    def subgraphs(self) -> Iterator[Graph]:
        """This graph and all below it, outermost first, shared ones once."""
        yield self
        for member in [*self.members.values(), *self.shared.values()]:
            yield from _graphs_in(member)

    def copied(self, member: Callable[[Member], Member] | None = None) -> Graph:
        """A copy with nodes of its own; `member` maps the members on the way."""
        made: dict[int, Node] = {}
        copy = self.emptied(member or (lambda item: item))
        for node in self.nodes:
            args, kwargs = map_nodes((node.args, node.kwargs), lambda old: made[id(old)])
            made[id(node)] = new = Node(node.name, node.op, node.target, args, kwargs, node.when)
            copy.nodes.append(new)
        copy.history = list(self.history)
        return copy

    def emptied(self, member: Callable[[Member], Member]) -> Graph:
        """A copy without nodes; `member` maps the members on the way."""
        members = {name: member(item) for name, item in self.members.items()}
        shared = {name: member(item) for name, item in self.shared.items()}
        return Graph(self.name, members, [], self.base, shared, self.init, self.setup, self.attributes)

    def fingerprint(self) -> str:
        """A text that two graphs share exactly if they compute the same way, step by step.

        The graph is taken as it stands: a search compares `raynas.graph.simplify(graph)`, in which identities and
        steps that nobody uses are gone.
        """
        from raynas.graph.fingerprint import fingerprint

        return fingerprint(self)

    def to_json(self) -> str:
        """The graph as a JSON document without pickles."""
        from raynas.graph.document import dumps

        return dumps(self)

    @classmethod
    def from_json(cls, text: str, trust: Sequence[str] = ()) -> Graph:
        """The graph that `to_json` wrote; nothing is imported.

        Args:
            text: the document.
            trust: packages, modules and names, beside torch's and those recorded in this process, that it may name.

        Raises:
            GraphError: the text is no whole graph, or names what is not allowed; the message names the node.
        """
        from raynas.graph.reader import loads

        return loads(text, trust)


def find(graph: Graph, path: str, shared: Mapping[str, Member]) -> tuple[Member, Mapping[str, Member]]:
    """The member at a dotted path, and the shared members known where it stands."""
    direct = graph.members.get(path)
    if direct is not None and not isinstance(direct, Shared):
        around = {**shared, **graph.shared} if graph.shared else shared
        return direct, {**around, **direct.shared} if isinstance(direct, Graph) and direct.shared else around
    member: Member = graph
    scope = {**shared, **graph.shared}
    for part in path.split("."):
        inside = children(member)
        if part not in inside:
            raise GraphError(f"graph '{graph.name}' has no member '{path}': '{part}' is not there")
        member = inside[part]
        while isinstance(member, Shared):
            member = scope[member.name]
        if isinstance(member, Graph):
            scope = {**scope, **member.shared}
    return member, scope


def children(member: Member) -> Mapping[str, Member]:
    """What stands under a member by attribute name."""
    if isinstance(member, Graph):
        return member.members
    if isinstance(member, Repeated):
        return {str(position): block for position, block in enumerate(member.blocks)}
    if isinstance(member, Choice):
        return {str(key): candidate for key, candidate in member.candidates.items()}
    return {}


def _graphs_in(member: Member) -> Iterator[Graph]:
    if isinstance(member, Graph):
        yield from member.subgraphs()
    else:
        for child in children(member).values():
            yield from _graphs_in(child)
