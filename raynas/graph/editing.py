"""Editing: how a graph is rewritten, in torch.fx's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from raynas.errors import GraphError
from raynas.graph.finding import CALLS, described, is_what, looked_up, names_of, op_of
from raynas.graph.member import Choice, Member, Pick, Repeated, Shared, Unit
from raynas.graph.node import Node, Op, nodes_in, shown

if TYPE_CHECKING:
    from raynas.graph.graph import Graph


class Editing:
    """The verbs of `Graph` that change it. A node is changed by its own verbs.

    A verb takes nodes of the graph or of any graph below it, and acts where the node stands. New nodes go to the place
    that `inserting_before` or `inserting_after` opened, else before the output. They run in the modes in which their
    neighbour there does, and all that they use.
    """

    history: list[str]
    _place: tuple[Graph, Node, bool] | None
    _outermost: Graph | None
    to_member: Callable[[str, Any, int], Member] | None

    def find(
        self, *, label: str | None = None, type: Any = None, target: Any = None, op: Op | None = None
    ) -> list[Node]:
        """The nodes of this graph and of all below it for which all of these hold.

        Args:
            label: of a choice or placeholder that the node calls.
            type: the class of what the node calls, or its qualified name; of an opened module, the class itself.
            target: the node's target; of a function, the function itself or its qualified name.
            op: the node's operation.
        """
        found: list[Node] = []
        for graph in self._graph.subgraphs():
            for node in graph.nodes:
                if op is not None and node.op != op:
                    continue
                if target is not None and node.target not in names_of(target):
                    continue
                if label is not None or type is not None:
                    member = self._called(graph, node)
                    if member is None or not is_what(member, label, type):
                        continue
                node.graph = graph
                found.append(node)
        return found

    @contextmanager
    def inserting_before(self, node: Node) -> Iterator[Graph]:
        """While this is open, new nodes go before `node`, one after the other."""
        before, self._place = self._place, (self.owner(node), node, False)
        try:
            yield self._place[0]
        finally:
            self._place = before

    @contextmanager
    def inserting_after(self, node: Node) -> Iterator[Graph]:
        """While this is open, new nodes go behind `node`, one after the other."""
        before, self._place = self._place, (self.owner(node), node, True)
        try:
            yield self._place[0]
        finally:
            self._place = before

    def placeholder(self, name: str, *default: Any) -> Node:
        """A new input, behind the others; who calls the graph must pass it, unless it has a default."""
        graph = self._home
        after = [position for position, node in enumerate(graph.nodes) if node.op == "input"]
        node = Node(graph.fresh_name(name), "input", name, default)
        node.graph = graph
        graph.nodes.insert(after[-1] + 1 if after else 0, node)
        self._note(graph, f"added the input '{node.name}'")
        return node

    def call_module(
        self,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        module: Any = None,
    ) -> Node:
        """A node that calls a submodule.

        Args:
            name: of a submodule; with `module`, the name that it is to have, as far as that is free.
            args, kwargs: of the call.
            module: is added as a submodule: a module that `mutate` has built, or a `Unit`.
        """
        graph = self._home
        if module is not None:
            count = len(list(nodes_in((args, dict(kwargs or {})))))
            name = self._added(graph, name, module, count)
        member, _ = looked_up(graph, name)
        made = f" ({described(member)})" if module is not None else ""
        return self._new(op_of(member), name, args, kwargs, name.rpartition(".")[2], f"called '{name}'{made}")

    def call_function(
        self, target: Callable[..., Any] | str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Node:
        """A node that calls a function, given as such or by its qualified name."""
        name = target if isinstance(target, str) else names_of(target)[0]
        return self._new("function", name, args, kwargs, name.rpartition(".")[2], f"called {name}")

    def call_method(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Node:
        """A node that calls the method of its first argument."""
        return self._new("method", name, args, kwargs, name, f"called .{name}")

    def get_attr(self, path: str) -> Node:
        """A node that reads a parameter, buffer or attribute."""
        return self._new("attribute", path, (), None, path.rpartition(".")[2], f"read '{path}'")

    def add_submodule(self, name: str, module: Any) -> str:
        """Add a submodule of one input; the name that it got, as far as the wanted one was taken."""
        return self._added(self._home, name, module, 1)

    def erase_node(self, node: Node) -> None:
        """Take out a node that nobody uses, and its submodule where nobody else calls it.

        Raises:
            GraphError: the node is still used: replace its uses first.
        """
        graph = self.owner(node)
        users = [user.name for user in graph.nodes if any(used is node for used in user.inputs())]
        if users:
            raise GraphError(
                f"node '{node.name}' of '{graph.name}' cannot be erased, because {', '.join(users)} use it: "
                "call node.replace_all_uses_with first"
            )
        graph.nodes[:] = [other for other in graph.nodes if other is not node]
        self._note(graph, f"erased '{node.name}'")
        _prune(graph, node)

    def remove(self, node: Node) -> None:
        """Take out a node; its users get its first input instead."""
        source = next(node.inputs(), None)
        if source is None:
            raise GraphError(f"node '{node.name}' cannot be removed: it has no input to take its place")
        self.replace_all_uses(node, source)
        self.erase_node(node)

    def replace(self, node: Node, module: Any) -> Node:
        """Have a node call another module, with the arguments it has; the node that does."""
        graph, name = self.owner(node), node.target
        alone = sum(other.target == name for other in graph.nodes if other.op in CALLS) == 1
        if node.op in CALLS and alone and name in graph.members and not isinstance(graph.members[name], Shared):
            return self._put(graph, node, module)
        with self.inserting_after(node):
            new = self.call_module(node.name, node.args, node.kwargs, module)
        self.replace_all_uses(node, new)
        self.erase_node(node)
        return new

    def _put(self, graph: Graph, node: Node, module: Any) -> Node:
        """Put a module in the place of the one that a node calls, under its name."""
        from raynas.graph.setup import is_there, paths_of

        name, before = node.target, list(graph.members)
        was = graph.members.pop(name)
        member = graph.members[self._added(graph, name, module, len(list(node.inputs())))]
        graph.members = {key: graph.members[key] for key in before}
        graph.setup = [
            step
            for step in graph.setup
            if all(path == name or not path.startswith(f"{name}.") for path in paths_of(step))
            and all(is_there(graph, path) for path in paths_of(step))
        ]
        node.op = op_of(member)
        self._note(graph, f"replaced {described(was)} '{name}' by {described(member)}")
        return node

    def insert_on_edge(self, source: Node, user: Node, name: str, module: Any) -> Node:
        """Put a module between `source` and `user`, which is one of its users; the node that calls it."""
        if not any(used is source for used in user.inputs()):
            raise GraphError(
                f"there is no edge from '{source.name}' to '{user.name}': node.users tells which there are"
            )
        with self.inserting_before(user):
            new = self.call_module(name, (source,), module=module)
        sides = [side for side, arg in zip((True, False), user.args, strict=False) if source in nodes_in(arg)]
        if user.op == "select" and len(sides) == 1:
            new.when = tuple(dict.fromkeys([*new.when, (user.target, sides[0])]))
        user.replace_input(source, new)
        self._note(self.owner(user), f"put '{new.name}' between '{source.name}' and '{user.name}'")
        return new

    def replace_all_uses(self, node: Node, new: Any) -> list[Node]:
        """Put `new` wherever `node` is used, except in `new` itself; the nodes that were changed."""
        changed: list[Node] = []
        for user in self.owner(node).nodes:
            if user is not new and any(used is node for used in user.inputs()):
                user.replace_input(node, new)
                changed.append(user)
        if changed:
            names = ", ".join(f"'{user.name}'" for user in changed)
            self._note(self.owner(node), f"replaced '{node.name}' by {shown(new)} in {names}")
        return changed

    def owner(self, node: Node) -> Graph:
        """The graph, this one or one below it, in which a node stands."""
        for graph in self._graph.subgraphs():
            if any(other is node for other in graph.nodes):
                return graph
        raise GraphError(f"node '{node.name}' does not stand in '{self._graph.name}' any more, nor below it")

    @property
    def _graph(self) -> Graph:
        return cast("Graph", self)

    @property
    def _home(self) -> Graph:
        """Where a new node goes."""
        return self._place[0] if self._place is not None else self._graph

    def _new(
        self, op: Op, target: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, name: str, what: str
    ) -> Node:
        graph = self._home
        wanted = name if name.isidentifier() else f"{graph.name.lower()}_{name}"
        around = self._place[1].when if self._place is not None else ()
        modes = dict.fromkeys([*around, *(pair for used in nodes_in((args, kwargs or {})) for pair in used.when)])
        node = Node(graph.fresh_name(wanted), op, target, tuple(args), kwargs, tuple(modes))
        node.graph = graph
        if self._place is None:
            position = len(graph.nodes) - (graph.nodes[-1].op == "output") if graph.nodes else 0
        else:
            _, anchor, after = self._place
            position = next(i for i, other in enumerate(graph.nodes) if other is anchor) + after
            if after:
                self._place = (graph, node, True)
        graph.nodes.insert(position, node)
        self._note(graph, f"{what} as '{node.name}'")
        return node

    def _added(self, graph: Graph, name: str, module: Any, inputs: int) -> str:
        wanted, count = name.replace(".", "_"), 1
        name = wanted
        while name in graph.members:
            name, count = f"{wanted}_{count}", count + 1
        if isinstance(module, str) or not (isinstance(module, Unit) or hasattr(module, "__dict__")):
            raise GraphError(f"{module!r} cannot be a submodule: build a module, or a raynas.graph.Unit")
        if isinstance(module, Unit | Choice | Pick | Repeated | Editing):
            graph.members[name] = cast("Member", module)
        elif self.to_member is not None:
            graph.members[name] = self.to_member(name, module, inputs)
        else:
            raise GraphError(f"a {type(module).__name__} cannot be added here: give a raynas.graph.Unit")
        return name

    def _called(self, graph: Graph, node: Node) -> Member | None:
        if node.op not in CALLS:
            return None
        member, names = looked_up(graph, node.target)
        while isinstance(member, Shared):
            member = names.get(member.name) or self._graph.shared[member.name]
        return member

    def _note(self, graph: Graph, what: str) -> None:
        for changed in (graph, self._graph, self._outermost):
            if changed is not None:
                changed.notes.clear()
        where = "" if graph is (self._outermost or self._graph) else f" in '{graph.name}'"
        self.history.append(f"{what}{where}")


def _prune(graph: Graph, node: Node) -> None:
    """Drop the submodule that an erased node called, where nothing else is about it."""
    from raynas.graph.setup import is_there, paths_of

    name = node.target.partition(".")[0]
    called = node.op in CALLS and name == node.target and name in graph.members
    rest = [other.target for other in graph.nodes if other.op in (*CALLS, "attribute")]
    if not called or any(target == name or target.startswith(f"{name}.") for target in rest):
        return
    del graph.members[name]
    graph.setup = [step for step in graph.setup if all(is_there(graph, path) for path in paths_of(step))]
