"""Classes: drafts of one form as one class; literals in which they differ are its constructor's parameters."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from raynas.pytorch.codegen.drafts import Draft
from raynas.pytorch.codegen.lines import SLOT, Line
from raynas.pytorch.codegen.literals import Imports, Remembered
from raynas.pytorch.codegen.text import Listed, Slot


@dataclass(frozen=True)
class Class:
    """A class, whatever its name.

    Attributes:
        base: its base class.
        body: what follows its first line.
        arguments: for each draft, what its instances are constructed with, beside shared members.
    """

    base: str
    body: str
    arguments: tuple[Listed, ...]

    def text(self, name: str) -> str:
        return f"class {name}({self.base}):\n{self.body}"


VARIABLE = re.compile(r"^ *(?:for )?(\w+)(?: =| in) ", re.MULTILINE)


def made_of(drafts: Sequence[Draft], imports: Imports, known: dict[Hashable, Remembered]) -> Class:
    """The class of drafts that have one form; `known` are classes that were made before."""
    if not all(draft.is_lasting for draft in drafts):
        return _made(drafts, imports)
    made: Class = imports.remember(known, tuple(drafts), lambda own: _made(drafts, own))
    return made


def _made(drafts: Sequence[Draft], imports: Imports) -> Class:
    first = drafts[0]
    if len(drafts) == 1:
        return Class(first.base, _body(first, first.borrowed, {}, None), (Listed("(", (), ")"),))
    fill: list[str] = []
    kept: dict[str, str] = {}
    known: dict[tuple[str, ...], str] = {}
    columns: list[Sequence[Slot]] = []
    taken = {*first.borrowed, *imports.taken, *_variables(first)}
    for column in zip(*(draft.slots for draft in drafts), strict=True):
        values = tuple([slot.text for slot in column])
        if len(set(values)) == 1:
            fill.append(values[0])
            continue
        run = any(slot.run for slot in column)
        if run:
            name = _kept_already(values, drafts)
            if name is not None:
                fill.append(f"self.{name}")
                continue
        if values not in known:
            known[values] = unique(column[0].hint, taken | first.own if run else taken)
            taken.add(known[values])
            columns.append(column)
        name = known[values]
        if run and name not in kept:
            kept[name] = unique(name, first.own | set(kept.values()))
        fill.append(f"self.{kept[name]}" if run else name)
    names = list(known.values())
    arguments = [
        Listed("(", tuple([Slot(column[row].text, name) for column, name in zip(columns, names, strict=True)]), ")")
        for row in range(len(drafts))
    ]
    return Class(first.base, _body(first, [*first.borrowed, *names], kept, fill), tuple(arguments))


def _variables(draft: Draft) -> set[str]:
    """The variables that a constructor assigns."""
    return {name for line in draft.init for name in VARIABLE.findall(line.form.replace(SLOT, "_"))}


def _kept_already(values: tuple[str, ...], drafts: Sequence[Draft]) -> str | None:
    """The attribute that holds the same values in all instances of a class."""
    for name in drafts[0].attributes:
        if tuple([draft.attributes.get(name) for draft in drafts]) == values:
            return name
    return None


def _body(draft: Draft, parameters: Sequence[str], kept: Mapping[str, str], fill: Sequence[str] | None) -> str:
    """All of a class but its first line.

    Args:
        draft: what it is to be like.
        parameters: of its constructor.
        kept: those of them that it keeps, each with its attribute.
        fill: texts for its slots; None: their own.
    """
    done = 0

    def filled(line: Line) -> str:
        nonlocal done
        if fill is None:
            return line.shown
        begun, done = done, done + len(line.slots)
        return line.filled(fill[begun:done])

    lines: list[str] = []
    init = list(map(filled, draft.init))
    if len(init) + len(kept) > 1 or parameters or draft.is_made:
        at = next(i for i, line in enumerate(init) if line.startswith("super().__init__")) + 1
        lines.append(f"    def __init__({', '.join(['self', *parameters])}):")
        keeping = [f"self.{attribute} = {name}" for name, attribute in kept.items()]
        lines += [f"        {line}" for line in (*init[:at], *keeping, *init[at:])]
    if draft.forward:
        if lines:
            lines.append("")
        lines.append(f"    def forward({', '.join(['self', *draft.parameters])}):")
        lines += [f"        {filled(line)}" for line in draft.forward]
    return "\n".join(lines or ["    pass"])


def unique(wanted: str, taken: set[str] | frozenset[str], joint: str = "_") -> str:
    """`wanted`, with a number behind it where that name is taken."""
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted}{joint}{count}", count + 1
    return name
