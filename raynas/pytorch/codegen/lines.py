"""Lines: statements with places where a literal stands, put together once and filled often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raynas.graph.once import once
from raynas.pytorch.codegen.text import WIDTH, Block, Hole, Listed, Slot, Text, laid_out

SLOT = "\0"
"""Stands in a form where a literal stands."""

INDENT = 8
"""Spaces before the statements of a method."""


class Line:
    """A statement of a method.

    Attributes:
        text: as it is to be laid out.
        pieces: its one line, in pieces: words, slots and holes.
        slots: the literals in it, in order.
        form: its words, with a mark for each slot.
        is_whole: whether it has no holes.
    """

    def __init__(self, text: Text) -> None:
        self.text = text

    @once
    def pieces(self) -> list[str | Slot | Hole]:
        found: list[str | Slot | Hole] = []
        _cut(self.text, found)
        return found

    @once
    def slots(self) -> list[Slot]:
        return [piece for piece in self.pieces if type(piece) is Slot]

    @once
    def is_whole(self) -> bool:
        return all(type(piece) is not Hole for piece in self.pieces)

    @once
    def form(self) -> str:
        return "".join([piece if type(piece) is str else SLOT for piece in self.pieces]) if self.is_whole else ""

    @once
    def shown(self) -> str:
        """The statement as it stands in a method, with its own literals."""
        return laid_out(self.text, INDENT, INDENT)

    def filled(self, fill: Sequence[str]) -> str:
        """The statement as it stands in a method, with these texts in its slots."""
        given = iter(fill)
        if type(self.text) is not Block:
            line = "".join([piece if type(piece) is str else next(given) for piece in self.pieces])
            if INDENT + len(line) <= WIDTH:
                return line
            given = iter(fill)
        return laid_out(_fixed(self.text, given.__next__), INDENT, INDENT)

    def with_holes_filled(self, of: Callable[[Any, tuple[str, ...]], Text]) -> Line:
        """The statement with texts in its holes."""
        return self if self.is_whole else Line(_without_holes(self.text, of))


def _cut(text: Text, into: list[str | Slot | Hole]) -> None:
    """Add the pieces of a text in one line."""
    kind = type(text)
    if kind is str:
        into.append(text)  # type: ignore[arg-type]  # its type was just asked for
    elif kind is tuple:
        for item in text:  # type: ignore[union-attr]  # a tuple
            if type(item) is str:
                into.append(item)
            else:
                _cut(item, into)
    elif isinstance(text, Slot | Hole):
        into.append(text)
    elif isinstance(text, Listed):
        into.append(text.open)
        for place, item in enumerate(text.items):
            if place:
                into.append(", ")
            _cut(item, into)
        into.append(text.close)
    elif isinstance(text, Block):
        into.append(text.head)
        for line in text.lines:
            into.append("\n    ")
            _cut(line, into)


def _fixed(text: Text, fill: Callable[[], str]) -> Text:
    """The text with its slots filled, in order."""
    return _mapped(text, lambda item: fill() if isinstance(item, Slot) else item)


def _without_holes(text: Text, of: Callable[[Any, tuple[str, ...]], Text]) -> Text:
    return _mapped(text, lambda item: of(item.what, item.given) if isinstance(item, Hole) else item)


def _mapped(text: Text, of: Callable[[Any], Text]) -> Text:
    if isinstance(text, Slot | Hole):
        return of(text)
    if isinstance(text, Listed):
        return Listed(text.open, tuple([_mapped(item, of) for item in text.items]), text.close)
    if isinstance(text, Block):
        return Block(text.head, tuple([_mapped(line, of) for line in text.lines]))
    if isinstance(text, tuple):
        return tuple([_mapped(item, of) for item in text])
    return text
