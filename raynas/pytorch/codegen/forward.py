"""The forward pass as statements, in program order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Graph, Node, Unit
from raynas.graph.graph import find
from raynas.graph.node import nodes_in
from raynas.graph.verify import identifier
from raynas.pytorch.codegen.arithmetic import INFIX, PREFIX
from raynas.pytorch.codegen.literals import WORDS, Imports, literal
from raynas.pytorch.codegen.text import Listed, Slot, Text, call

IN_PLACE = {f"i{name.rstrip('_')}": f"{sign}=" for name, sign in INFIX.items() if sign not in ("==", "!=", "<", ">")}
CHANGES = ("append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update")
"""Methods that change a list or dict."""

READS = ("operator.getitem", "builtins.getattr")


class Forward:
    """Writes the body of one forward pass.

    Args:
        graph: the opened module.
        imports: collects what the statements need.
        path: how a path below the module is written: `self.blocks[0].conv`.
    """

    def __init__(self, graph: Graph, imports: Imports, path: Callable[[str], str]) -> None:
        self.graph = graph
        self.imports = imports
        self.path = path
        self.inputs = {id(node): list(node.inputs()) for node in graph.nodes}
        self.users = Counter([id(earlier) for inputs in self.inputs.values() for earlier in inputs])
        self.last = {id(e): position for position, inputs in enumerate(self.inputs.values()) for e in inputs}
        self.names: dict[int, str] = {}
        self.inline: dict[int, Text] = {}
        self.busy: dict[str, int] = {}
        self.words = {
            imports.name(node.target).partition(".")[0]
            for node in graph.nodes
            if node.op == "function" and not node.target.startswith(("torch.", "operator."))
        }

    def lines(self) -> tuple[list[str], list[Text]]:
        """The parameters of `forward`, and its statements."""
        parameters: list[str] = []
        statements: list[Text] = []
        nested = self._nested()
        self._stretch(nested)
        for position, node in enumerate(self.graph.nodes):
            if node.op == "input":
                name = self._fresh(node.target.lstrip("*"), frozenset())
                if node.target.startswith("*") and "*" not in parameters:
                    parameters.append("*")
                parameters.append(name + (f"={literal(node.args[0], self.imports)}" if node.args else ""))
                self._bind(node, name)
                continue
            self._write(node, position, nested, statements)
        return parameters, statements

    def _write(self, node: Node, position: int, nested: set[int], statements: list[Text]) -> None:
        """Add what stands in the text for one step."""
        if node.op == "output":
            statements.append(("return ", self._returned(node.args[0])))
            return
        text = self._statement(node, position, nested)
        if text is not None:
            statements.append(text)

    def _statement(self, node: Node, position: int, nested: set[int]) -> Text | None:
        if node.target == "operator.setitem" and node.op == "function":
            target, key, value = node.args
            return (self._operand(target), "[", self._index(key), "] = ", self._value(value))
        sign = IN_PLACE.get(node.target.removeprefix("operator.")) if node.op == "function" else None
        first = node.args[0] if node.args else None
        if (
            sign is not None
            and isinstance(first, Node)
            and id(first) in self.names
            and self._ends(first, node, position)
        ):
            name = self.names[id(first)]
            changed = (name, f" {sign} ", self._value(node.args[1]))
            self._bind(node, name)
            return changed
        text = self._expression(node)
        if id(node) in nested:
            self.inline[id(node)] = text
            return None
        if not self.users[id(node)]:
            return text
        name = self._name(node, position)
        self._bind(node, name)
        return (name, " = ", text)

    def _nested(self) -> set[int]:
        """Nodes that stand inside the one statement that uses them: what only reads, and arithmetic just before it."""
        found: set[int] = set()
        nodes = self.graph.nodes
        place = {id(node): position for position, node in enumerate(nodes)}
        for position in range(len(nodes) - 1, -1, -1):
            node = nodes[position]
            if self.users[id(node)] != 1 or node.op in ("input", "output"):
                continue
            user = nodes[self.last[id(node)]]
            if user.op == "output" and user.args[0] is node and place[id(user)] == position + 1:
                found.add(id(node))
                continue
            if node.op == "attribute" or (node.op == "function" and node.target in READS and not _steps(node)):
                between = nodes[position + 1 : place[id(user)] + 1]
                if node.op == "attribute" or not any(self._changes(other, node) for other in between):
                    found.add(id(node))
            elif node.op == "function" and node.target.removeprefix("operator.") in {**INFIX, **PREFIX}:
                between = nodes[position + 1 : place[id(user)]]
                if all(id(other) in found for other in between) and not _in_place(user) and not between:
                    found.add(id(node))
        return found

    def _stretch(self, nested: set[int]) -> None:
        """What nested nodes read is read where their statement stands: until then, no other value takes its name."""
        for node in reversed(self.graph.nodes):
            if id(node) in nested:
                for earlier in self.inputs[id(node)]:
                    self.last[id(earlier)] = max(self.last[id(earlier)], self.last[id(node)])

    def _changes(self, node: Node, read: Node) -> bool:
        """Whether a node may change what an earlier one read: not its value where that is a view of a tensor."""
        if node.op == "method":
            return (node.target.endswith("_") and not node.target.endswith("__")) or node.target in CHANGES
        if node.op == "function":
            return node.target == "operator.setitem" or (_in_place(node) and not _is_view(read)) or "out" in node.kwargs
        if node.op not in ("module", "graph", "choice"):
            return False
        return not _is_view(read) or (_source(read) in list(node.inputs()) and not self._is_layer(node.target))

    def _is_layer(self, path: str) -> bool:
        """Whether a member is a layer of torch, which changes no tensor's form."""
        try:
            member, _ = find(self.graph, path, self.graph.shared)
        except GraphError:
            return False
        return isinstance(member, Unit) and member.target.startswith("torch.nn.")

    def _name(self, node: Node, position: int) -> str:
        """The variable of an argument that ends here, where there is one; else a name of its own."""
        if node.op in ("module", "graph", "method") or (node.op == "function" and node.target not in READS):
            for earlier in self.inputs[id(node)]:
                name = self.names.get(id(earlier))
                if name is not None and self._ends(earlier, node, position) and not _shape_like(node):
                    return name
        return self._fresh(_wanted(node))

    def _ends(self, earlier: Node, node: Node, position: int) -> bool:
        """Whether nobody uses a value after the node at this position, which does."""
        return self.last[id(earlier)] == position

    def _fresh(self, wanted: str, words: frozenset[str] = WORDS) -> str:
        """A variable that means nothing else yet.

        Args:
            wanted: the name it would like to have.
            words: Python's own that it may not take; an argument keeps its name, as calls may pass it by that.
        """
        base = wanted if identifier(wanted) else "value"
        name, count = base, 2
        taken = self.imports.taken
        while name in taken or name in words or name in self.words or name in self.busy:
            name, count = f"{base}_{count}", count + 1
        return name

    def _bind(self, node: Node, name: str) -> None:
        self.names[id(node)] = name
        self.busy[name] = self.last.get(id(node), -1)

    def _expression(self, node: Node) -> Text:
        if node.op == "attribute":
            return self.path(node.target)
        if node.op in ("module", "graph"):
            return call(self.path(node.target), self._arguments(node.args, node.kwargs))
        if node.op == "method":
            head = (self._owner(node.args[0]), f".{_checked(node.target)}")
            return call(head, self._arguments(node.args[1:], node.kwargs))
        if node.op == "select":
            return (self._operand(node.args[0]), f" if {self.path(node.target)} else ", self._operand(node.args[1]))
        if node.op != "function":
            raise GraphError(f"node '{node.name}' is a {node.op}: its choice is not made yet")
        return self._function(node)

    def _function(self, node: Node) -> Text:
        short = node.target.removeprefix("operator.")
        if short != node.target and not node.kwargs:
            if short in INFIX and len(node.args) == 2:
                left, right = node.args
                return (self._operand(left), f" {INFIX[short]} ", self._operand(right))
            if short in PREFIX and len(node.args) == 1:
                return (PREFIX[short], self._operand(node.args[0]))
            if short == "getitem":
                return (self._operand(node.args[0]), "[", self._index(node.args[1]), "]")
        if node.target == "builtins.getattr" and len(node.args) == 2 and isinstance(node.args[1], str):
            return (self._owner(node.args[0]), f".{_checked(node.args[1])}")
        return call(self.imports.name(node.target), self._arguments(node.args, node.kwargs, resolve_hints=True))

    def _arguments(self, args: Any, kwargs: Any, resolve_hints: bool = False) -> list[Text]:
        for key in kwargs:
            _checked(key)
        positional = [self._value(arg) for arg in args]
        return [*positional, *((f"{key}=", self._value(arg, key)) for key, arg in kwargs.items())]

    def _owner(self, value: Any) -> Text:
        """What stands before a dot: a number would take that for its own."""
        return ("(", self._value(value), ")") if type(value) in (int, float, complex) else self._operand(value)

    def _operand(self, value: Any) -> Text:
        text = self._value(value)
        if isinstance(value, Node) and id(value) in self.inline and (_is_arithmetic(value) or value.op == "select"):
            return ("(", text, ")")
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            return ("(", text, ")")
        return text

    def _value(self, value: Any, hint: str = "value") -> Text:
        if isinstance(value, Node):
            return self.inline[id(value)] if id(value) in self.inline else self.names[id(value)]
        if next(nodes_in(value), None) is None:
            return Slot(literal(value, self.imports), hint, run=True)
        if isinstance(value, tuple | list):
            items = tuple(self._value(item) for item in value)
            if isinstance(value, list):
                return Listed("[", items, "]")
            return Listed("(", items, ",)" if len(items) == 1 else ")")
        if isinstance(value, dict):
            pairs = tuple((literal(key, self.imports), ": ", self._value(item)) for key, item in value.items())
            return Listed("{", pairs, "}")
        return call("slice", [self._value(part) for part in (value.start, value.stop, value.step)])

    def _index(self, key: Any) -> Text:
        if isinstance(key, slice):
            start, stop, step = ("" if part is None else self._value(part) for part in (key.start, key.stop, key.step))
            return (start, ":", stop, *((":", step) if key.step is not None else ()))
        if isinstance(key, tuple) and key and any(isinstance(part, slice) or part is ... for part in key):
            parts: list[Text] = []
            for part in key:
                parts += [", ", self._index(part)] if parts else [self._index(part)]
            return (*parts, ",") if len(key) == 1 else tuple(parts)
        return self._value(key)

    def _returned(self, value: Any) -> Text:
        if isinstance(value, tuple) and len(value) > 1:
            parts: list[Text] = []
            for item in value:
                parts += [", ", self._value(item)] if parts else [self._value(item)]
            return tuple(parts)
        return self._value(value)


def _steps(node: Node) -> bool:
    return len(node.args) < 2 or isinstance(node.args[1], Node) or next(nodes_in(node.args[1]), None) is not None


def _source(read: Node) -> Any:
    """What a node reads from, or reads of what it reads from."""
    source = read.args[0]
    while isinstance(source, Node) and source.op == "function" and source.target in READS:
        source = source.args[0]
    return source


def _is_view(read: Node) -> bool:
    """Whether a node reads what stays the same while values of a tensor change: a part of it, or its form."""
    if read.target == "builtins.getattr":
        return True
    key = read.args[1]
    return all(
        part is None or part is ... or type(part) in (int, slice)
        for part in (key if isinstance(key, tuple) else (key,))
    )


def _in_place(node: Node) -> bool:
    return node.op == "function" and (
        node.target.removeprefix("operator.") in IN_PLACE or node.target == "operator.setitem"
    )


def _is_arithmetic(node: Node) -> bool:
    return node.op == "function" and node.target.removeprefix("operator.") in {**INFIX, **PREFIX}


def _shape_like(node: Node) -> bool:
    return node.op == "method" and node.target in ("size", "dim", "numel", "ndimension", "item")


def _wanted(node: Node) -> str:
    if node.target == "builtins.getattr":
        return str(node.args[1])
    if node.target == "operator.getitem":
        return "item"
    if node.op in ("module", "graph"):
        return "out"
    if node.op == "select":
        return "picked"
    return node.target.rpartition(".")[2].rstrip("_") or "value"


def _checked(name: str) -> str:
    if not identifier(name):
        raise GraphError(f"{name!r} is not an identifier")
    return name
