"""Node: one step of a forward pass, in torch.fx's vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from raynas.graph.graph import Graph

Op = Literal["input", "module", "graph", "function", "method", "attribute", "choice", "select", "output"]

OPS: tuple[Op, ...] = ("input", "module", "graph", "function", "method", "attribute", "choice", "select", "output")

When: TypeAlias = tuple[tuple[str, bool], ...]
"""In which modes a step runs: paths of modules' `training`, and what each must be when the model runs."""


class Node:
    """One step; an edge is a node that stands in another's arguments, and there is no other record of it.

    | op          | target                                     | what it gives                                    |
    |-------------|--------------------------------------------|--------------------------------------------------|
    | `input`     | the parameter's name                       | the argument (`args`: its default, if it has one)|
    | `module`    | path of a unit below the graph             | what calling the unit gives                      |
    | `graph`     | path of an opened module below the graph   | what calling it gives                            |
    | `function`  | qualified name: `torch.flatten`            | what the function returns                        |
    | `method`    | the method's name                          | what it returns on `args[0]`                     |
    | `attribute` | path of a parameter, buffer or `training`  | its value when the model runs                    |
    | `choice`    | path of a choice below the graph           | what the chosen candidate gives                  |
    | `select`    | path of a module's `training`              | `args[0]` if that is true, else `args[1]`        |
    | `output`    | `output`                                   | the forward pass returns `args[0]`               |

    Attributes:
        name: unique in its graph; a hint for the generated code.
        op: one of the table's first column.
        target: see the table.
        args, kwargs: nodes, plain values, choice expressions, and tuples, lists, dicts and slices of these.
        when: in which modes it runs; empty: always. Only steps that run in these modes, too, use its value, and the
            matching argument of a `select`.
    """

    __slots__ = ("args", "graph", "kwargs", "name", "op", "target", "when")

    graph: Graph
    """Where it stands; known to the nodes that `Graph.find` gave, or that a mutator sees."""

    def __init__(
        self,
        name: str,
        op: Op,
        target: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        when: When = (),
    ) -> None:
        self.name = name
        self.op: Op = op
        self.target = target
        self.args = args
        self.kwargs: dict[str, Any] = dict(kwargs or {})
        self.when = when

    def inputs(self) -> Iterator[Node]:
        """The nodes in its arguments, in order, each as often as it stands there."""
        found: list[Node] = []
        _gather(self.args, found)
        if self.kwargs:
            _gather(self.kwargs, found)
        return iter(found)

    def replace_input(self, old: Node, new: Any) -> None:
        """Put `new` wherever `old` stands in the arguments."""
        self.args, self.kwargs = map_nodes((self.args, self.kwargs), lambda node: new if node is old else node)

    def replace_input_with(self, old: Node, new: Any) -> None:
        """Put `new` wherever `old` stands in the arguments, and note it in the graph's history."""
        self.replace_input(old, new)
        self.graph._note(self.graph, f"gave '{self.name}' {shown(new)} instead of '{old.name}'")

    def replace_all_uses_with(self, new: Any) -> list[Node]:
        """Put `new` wherever this node is used; the nodes that were changed."""
        return self.graph.replace_all_uses(self, new)

    def insert_arg(self, position: int, value: Any) -> None:
        """Add an argument before the one at `position`."""
        self.args = (*self.args[:position], value, *self.args[position:])
        self.graph._note(self.graph, f"gave '{self.name}' {shown(value)} as argument {position}")

    def update_arg(self, position: int, value: Any) -> None:
        """Set the argument at `position`."""
        self.args = (*self.args[:position], value, *self.args[position + 1 :])
        self.graph._note(self.graph, f"set argument {position} of '{self.name}' to {shown(value)}")

    def update_kwarg(self, name: str, value: Any) -> None:
        """Set a named argument."""
        self.kwargs = {**self.kwargs, name: value}
        self.graph._note(self.graph, f"set argument {name} of '{self.name}' to {shown(value)}")

    @property
    def flags(self) -> list[str]:
        """Paths of the `training` flags on which it hangs."""
        return [path for path, _ in self.when] + ([self.target] if self.op == "select" else [])

    @property
    def users(self) -> list[Node]:
        """The nodes in whose arguments it stands."""
        return [node for node in self.graph.nodes if any(used is self for used in node.inputs())]

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes in its arguments, each once."""
        return list({id(node): node for node in self.inputs()}.values())

    def __repr__(self) -> str:
        arguments = [shown(arg) for arg in self.args] + [f"{key}={shown(arg)}" for key, arg in self.kwargs.items()]
        modes = " and ".join(path if value else f"not {path}" for path, value in self.when)
        return f"{self.name} = {self.op} {self.target}({', '.join(arguments)}){f' if {modes}' if modes else ''}"


def shown(value: Any) -> str:
    """`value` with its nodes by name."""
    if isinstance(value, Node):
        return value.name
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)


def nodes_in(value: Any) -> Iterator[Node]:
    """The nodes in a value, looking into tuples, lists, dicts and slices."""
    found: list[Node] = []
    _gather(value, found)
    return iter(found)


def _gather(value: Any, found: list[Node]) -> None:
    if isinstance(value, tuple | list):
        for item in value:
            if type(item) is Node:
                found.append(item)
            else:
                _gather(item, found)
    elif isinstance(value, Node):
        found.append(value)
    elif isinstance(value, dict):
        _gather(tuple(value.values()), found)
    elif isinstance(value, slice):
        _gather((value.start, value.stop, value.step), found)


def map_nodes(value: Any, of: Callable[[Node], Any]) -> Any:
    """`value` with each node replaced."""
    if isinstance(value, Node):
        return of(value)
    if isinstance(value, tuple):
        return tuple(map_nodes(item, of) for item in value)
    if isinstance(value, list):
        return [map_nodes(item, of) for item in value]
    if isinstance(value, dict):
        return {key: map_nodes(item, of) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(map_nodes(item, of) for item in (value.start, value.stop, value.step)))
    return value
