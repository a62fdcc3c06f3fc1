"""Text that is not laid out yet: words, places where a literal stands, and lists that may take several lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 120


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Listed:
    """Items between brackets, one a line where they do not fit into one."""

    open: str
    items: tuple[Text, ...]
    close: str


@dataclass(frozen=True)
class Block:
    """A statement with others under it."""

    head: str
    lines: tuple[Text, ...]


Text: TypeAlias = str | Slot | Listed | Block | tuple["Text", ...]
Fill: TypeAlias = Callable[[Slot], str]


def call(head: Text, items: Sequence[Text]) -> Text:
    """`head(items)`."""
    return (head, Listed("(", tuple(items), ")"))


def slots(text: Text, found: list[Slot] | None = None) -> list[Slot]:
    """The literals in a text, in order."""
    into = [] if found is None else found
    kind = type(text)
    if kind is Slot:
        into.append(text)  # type: ignore[arg-type]  # its type was just asked for
    elif kind is not str:
        for item in _parts(text):
            slots(item, into)
    return into


def _parts(text: Text) -> tuple[Text, ...]:
    if isinstance(text, tuple):
        return text
    return text.items if isinstance(text, Listed) else text.lines if isinstance(text, Block) else ()


def flat(text: Text, fill: Fill) -> str:
    """The text in one line."""
    if isinstance(text, str):
        return text
    if isinstance(text, tuple):
        return "".join([item if type(item) is str else flat(item, fill) for item in text])
    if isinstance(text, Slot):
        return fill(text)
    if isinstance(text, Listed):
        return text.open + ", ".join([flat(item, fill) for item in text.items]) + text.close
    return "\n    ".join([text.head, *(flat(line, fill) for line in text.lines)])


def laid_out(text: Text, fill: Fill, indent: int = 0, before: int = 0, after: int = 0) -> str:
    """The text, its lists one item a line where a line would be too long.

    Args:
        text: what to lay out.
        fill: gives a slot's text.
        indent: spaces before further lines.
        before: characters that stand before it in its first line.
        after: characters that follow it in its last line.
    """
    if isinstance(text, Block):
        inner = indent + 4
        return "\n".join([text.head, *(f"{' ' * inner}{laid_out(line, fill, inner, inner)}" for line in text.lines)])
    line = flat(text, fill)
    if before + len(line) + after <= WIDTH or isinstance(text, (str, Slot)):
        return line
    if isinstance(text, Listed):
        if not text.items:
            return line
        inner = indent + 4
        items = [laid_out(item, fill, inner, inner, 1) for item in text.items]
        lines = "".join(f"{' ' * inner}{item},\n" for item in items)
        return f"{text.open}\n{lines}{' ' * indent}{text.close}"
    done = ""
    for position, item in enumerate(text):
        rest = sum(len(flat(later, fill).partition("\n")[0]) for later in text[position + 1 :])
        start = before + len(done) if "\n" not in done else len(done) - done.rfind("\n") - 1
        done += laid_out(item, fill, indent, start, min(rest, 2) + after)
    return done
