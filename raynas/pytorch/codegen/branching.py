"""Branching: a forward pass with steps that run in some modes only, as `if self.training:` and `else:`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from raynas.graph import Graph, Node
from raynas.graph.node import When, nodes_in
from raynas.pytorch.codegen.forward import Forward
from raynas.pytorch.codegen.text import Block, Text


def forward_of(graph: Graph) -> type[Forward]:
    """What writes a graph's forward pass."""
    return Branching if any(node.when or node.op == "select" for node in graph.nodes) else Forward


@dataclass(frozen=True)
class _Line:
    """A statement, and in which modes it runs."""

    when: When
    text: Text

    @property
    def leaves(self) -> bool:
        return isinstance(self.text, tuple) and self.text[0] == "return "


class Branching(Forward):
    """Writes the body of one forward pass with branches.

    Two values may have one variable where they are never both alive in one mode, or are then the same.

    Attributes:
        uses: of each value, where it is used and in which modes, by the node's id.
        found: the statements.
        held: the values that have a variable, by the nodes' ids.
        left: selects that are not computed: their values are returned where they are.
        partners: by the id of a value that a select uses, which one.
        kept: the variable that the first of a select's values got, by the select's id.
    """

    uses: dict[int, list[tuple[int, When]]]

    def lines(self) -> tuple[list[str], list[Text]]:
        self.found: list[_Line] = []
        self.held: dict[str, list[int]] = {}
        self.kept: dict[int, str] = {}
        self.partners: dict[int, Node] = {}
        for node in self.graph.nodes:
            for value in node.args if node.op == "select" else ():
                self.partners.setdefault(id(value), node)
        self.left: set[int] = set()
        output = self.graph.output
        self._leave(output.args[0], output)
        parameters, _ = super().lines()
        return parameters, list(self._blocks(self.found, 0))

    def _leave(self, value: Any, user: Node) -> None:
        """Note the selects that are returned as they are, each value by a `return` of its own."""
        if not isinstance(value, Node) or value.op != "select" or self.users[id(value)] != 1:
            return
        if not _is_word(value) or any(not isinstance(arg, Node) and list(nodes_in(arg)) for arg in value.args):
            self.left.add(id(value))
            for arg in value.args:
                self._leave(arg, value)

    def _write(self, node: Node, position: int, nested: set[int], statements: list[Text]) -> None:
        if node.op == "output":
            self.found += self._returns(node.args[0], ())
        elif node.op == "select" and id(node) not in nested and not _is_word(node):
            self.found += self._assigned(node, position)
        elif id(node) not in self.left:
            text = self._statement(node, position, nested)
            if text is not None:
                self.found.append(_Line(node.when, text))

    def _returns(self, value: Any, when: When) -> Iterator[_Line]:
        if isinstance(value, Node) and id(value) in self.left:
            for side, arg in zip((True, False), value.args, strict=True):
                yield from self._returns(arg, (*when, (value.target, side)))
        else:
            yield _Line(when, ("return ", self._returned(value)))

    def _assigned(self, node: Node, position: int) -> Iterator[_Line]:
        """The lines that give a select's two values one variable."""
        names = [self.names.get(id(arg)) if isinstance(arg, Node) else None for arg in node.args]
        if names[0] is not None and names[0] == names[1]:
            self._bind(node, names[0])
            return
        free = [name for name in names if name is not None and self._is_free(name, position, node.when)]
        name = free[0] if free else self._fresh(next((name for name in names if name is not None), "value"))
        lines = [
            _Line((*node.when, (node.target, side)), (name, " = ", self._value(arg)))
            for side, arg, mine in zip((True, False), node.args, names, strict=True)
            if mine != name
        ]
        self._bind(node, name)
        yield from lines

    def _nested(self) -> set[int]:
        found = super()._nested()
        nodes = self.graph.nodes
        for node in nodes:
            if node.op == "select" and not _is_word(node):  # its values have a variable of their own
                found.difference_update(id(used) for used in node.inputs() if used.op != "attribute")
        found |= self.left
        for node in reversed(nodes):
            plain = all(id(used) not in found or used.op == "attribute" for used in node.inputs())
            if node.op == "select" and self.users[id(node)] == 1 and _is_word(node) and plain:
                found.add(id(node))
        for node in nodes:
            if id(node) in self.left:
                found.update(id(arg) for arg in node.args if isinstance(arg, Node) and self._is_last(arg, found))
        return found

    def _is_last(self, node: Node, nested: set[int]) -> bool:
        """Whether nothing else runs between a value that is returned and its return."""
        if node.op in ("input", "select") or self.users[id(node)] != 1 or not node.when:
            return False
        later = self.graph.nodes[self.graph.nodes.index(node) + 1 : -1]
        return all(id(other) in nested or not _meet(other.when, node.when) for other in later)

    def _stretch(self, nested: set[int]) -> None:
        self.uses = {id(node): [] for node in self.graph.nodes}
        for position, node in reversed(list(enumerate(self.graph.nodes))):
            places = [(position, node.when), *(self.uses[id(node)] if id(node) in nested else ())]
            for used, modes in _used(node):
                self.uses[id(used)] += [(place, (*when, *modes)) for place, when in places]

    def _ends(self, earlier: Node, node: Node, position: int) -> bool:
        return self._is_free(self.names[id(earlier)], position, node.when)

    def _bind(self, node: Node, name: str) -> None:
        super()._bind(node, name)
        self.held.setdefault(name, []).append(id(node))

    def _is_free(self, name: str, position: int, when: When) -> bool:
        """Whether a variable holds nothing that is used after a position."""
        uses = (use for key in self.held.get(name, ()) for use in self.uses[key])
        return not any(later > position and _meet(modes, when) for later, modes in uses)

    def _name(self, node: Node, position: int) -> str:
        partner = self.partners.get(id(node))
        name = self.kept.get(id(partner)) if partner is not None else None
        if name is None or not self._is_free(name, position, node.when):
            name = super()._name(node, position)
        if partner is not None:
            self.kept.setdefault(id(partner), name)
        return name

    def _blocks(self, lines: list[_Line], depth: int) -> Iterator[Text]:
        """The lines, those that run in some modes only under an `if`; all have the first `depth` modes in common."""
        position = 0
        while position < len(lines):
            line = lines[position]
            if len(line.when) == depth:
                yield line.text
                position += 1
                continue
            path, end = line.when[depth][0], position
            flag = self.path(path)
            while end < len(lines) and len(lines[end].when) > depth and lines[end].when[depth][0] == path:
                end += 1
            run = lines[position:end]
            yes, no = ([line for line in run if line.when[depth][1] is value] for value in (True, False))
            if yes:
                yield Block(f"if {flag}:", tuple(self._blocks(yes, depth + 1)))
            if no and yes and yes[-1].leaves:
                yield from self._blocks(no, depth + 1)
            elif no:
                yield Block("else:" if yes else f"if not {flag}:", tuple(self._blocks(no, depth + 1)))
            position = end


def _used(node: Node) -> Iterator[tuple[Node, When]]:
    """The values that a step uses, and for which modes a select does."""
    if node.op == "select":
        for side, arg in zip((True, False), node.args, strict=True):
            for used in nodes_in(arg):
                yield used, ((node.target, side),)
    else:
        for used in node.inputs():
            yield used, ()


def _is_word(node: Node) -> bool:
    """Whether both values of a select are there in either mode, so that `a if self.training else b` gives one."""
    return all(set(used.when) <= set(node.when) for used in node.inputs())


def _meet(left: When, right: When) -> bool:
    """Whether some modes are among both."""
    return not any((path, not value) in right for path, value in left)
