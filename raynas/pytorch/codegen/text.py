"""Text that is not laid out yet: words, places where a literal stands, and lists that may take several lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

WIDTH = 120

# Nobody changes these; they are not frozen because many are made, and frozen ones take three times as long to make.


@dataclass(slots=True)
class Slot:
    """A literal, which becomes a parameter of the class where blocks that are otherwise equal differ in it.

    Attributes:
        text: the literal as source.
        hint: what to call the parameter.
        run: whether it stands in `forward`, so that the constructor has to keep it on `self`.
    """

    text: str
    hint: str
    run: bool = False


@dataclass(slots=True)
class Listed:
    """Items between brackets, one a line where they do not fit into one.

    Attributes:
        flat: the text in one line, once somebody asked for it.
    """

    open: str
    items: tuple[Text, ...]
    close: str
    flat: str | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Block:
    """A statement with others under it."""

    head: str
    lines: tuple[Text, ...]


@dataclass(slots=True)
class Hole:
    """The place of a call whose name and arguments are not known yet.

    Attributes:
        what: what is to be made there.
        given: arguments that are known.
    """

    what: Any
    given: tuple[str, ...]


Text: TypeAlias = str | Slot | Hole | Listed | Block | tuple["Text", ...]


def call(head: Text, items: Sequence[Text]) -> Text:
    """`head(items)`."""
    return (head, Listed("(", tuple(items), ")"))


def laid_out(text: Text, indent: int = 0, before: int = 0) -> str:
    """A text without holes, its lists one item a line where a line would be too long.

    Args:
        text: what to lay out.
        indent: spaces before further lines.
        before: characters that stand before it in its first line.
    """
    return _laid_out(text, indent, before, 0, {})


def _laid_out(text: Text, indent: int, before: int, after: int, flat: dict[int, str]) -> str:
    """The same, where `after` characters follow in the last line; `flat` keeps the one line of each part, by its id."""
    if isinstance(text, Block):
        inner = indent + 4
        lines = [f"{' ' * inner}{_laid_out(line, inner, inner, 0, flat)}" for line in text.lines]
        return "\n".join([text.head, *lines])
    line = _flat(text, flat)
    if before + len(line) + after <= WIDTH or isinstance(text, (str, Slot)):
        return line
    if isinstance(text, Listed):
        if not text.items:
            return line
        inner = indent + 4
        between = f",\n{' ' * inner}"
        items = between.join([_laid_out(item, inner, inner, 1, flat) for item in text.items])
        return f"{text.open}\n{' ' * inner}{items},\n{' ' * indent}{text.close}"
    assert isinstance(text, tuple)
    rest = 0
    rests: list[int] = []
    for item in reversed(text):
        rests.append(rest)
        if rest < 2:  # more than two characters behind it are looked at in their turn
            rest = min(rest + len(_flat(item, flat).partition("\n")[0]), 2)
    done = ""
    for item in text:
        start = before + len(done) if "\n" not in done else len(done) - done.rfind("\n") - 1
        done += _laid_out(item, indent, start, rests.pop() + after, flat)
    return done


def _flat(text: Text, known: dict[int, str]) -> str:
    """A text in one line."""
    if type(text) is str:
        return text
    if type(text) is Slot:
        return text.text
    if type(text) is Listed:
        if text.flat is None:
            items = [item.text if type(item) is Slot else _flat(item, known) for item in text.items]
            text.flat = f"{text.open}{', '.join(items)}{text.close}"
        return text.flat
    line = known.get(id(text))
    if line is None:
        if type(text) is tuple:
            line = "".join([item if type(item) is str else _flat(item, known) for item in text])
        else:
            assert isinstance(text, Block)
            line = "\n    ".join([text.head, *[_flat(item, known) for item in text.lines]])
        known[id(text)] = line
    return line
