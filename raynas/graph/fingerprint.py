"""Fingerprint: one text for all the ways to write one network down.

A frozen graph is flattened and put into a canonical form: its steps numbered by a walk from the result, operands in
their order, or, where order makes no difference, in an order of their own. Equal fingerprints mean isomorphic graphs:
the form holds every step, argument, connection and shared parameter, so graphs that differ in any of them differ here.
A chain of additions counts as one sum. Where operands of a sum look alike from all sides, each order is tried and the
smallest form taken; past `TRIES` orders the rest is taken as it comes: a very symmetric graph may get more than one
fingerprint, but two graphs never get the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

from raynas.graph.flat import Flat, Step, flatten
from raynas.graph.graph import Graph

TRIES = 1000
"""How many numberings of a symmetric graph are compared."""

VERSION = "1"
"""Stands in every fingerprint; another canonical form gets another."""


def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits; the same in every process and for every version of torch."""
    form = canonical(flatten(graph))
    return hashlib.blake2b(f"{VERSION}\n{form}".encode(), digest_size=16).hexdigest()


def canonical(flat: Flat) -> str:
    """The canonical form of a flat graph, as text."""
    steps = flat.steps
    below = _below(steps)
    if not _ambiguous(steps, below):
        return _form(flat, _numbered(steps, below)[0])
    best: str | None = None
    tries = 0
    pending = [_refined(steps, [0] * len(steps))]
    while pending and (tries < TRIES or best is None):
        colours = pending.pop()
        numbers, alike = _numbered(steps, colours)
        if not alike:
            tries += 1
            form = _form(flat, numbers)
            best = form if best is None or form < best else best
            continue
        if tries + len(pending) >= TRIES:
            alike = alike[:1]
        for chosen in alike:
            marked = list(colours)
            marked[chosen] = -1 - marked[chosen]
            pending.append(_refined(steps, marked))
    assert best is not None
    return best


def _digest(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def _below(steps: Sequence[Step]) -> list[int]:
    """For each step a number that says what it computes, looking down to the inputs only."""
    found: list[int] = []
    for step in steps:
        operands = [found[operand] for operand in step.operands]
        found.append(_digest(step.label, sorted(operands) if step.free else operands))
    return found


def _ambiguous(steps: Sequence[Step], colours: Sequence[int]) -> bool:
    """Whether some sum has two different terms that look the same."""
    for step in steps:
        if step.free and len({colours[operand] for operand in step.operands}) < len(set(step.operands)):
            return True
    return False


def _refined(steps: Sequence[Step], marks: Sequence[int]) -> list[int]:
    """Colours that say how a step looks from all sides: what it computes, who uses it and what it shares."""
    colours = [_digest(step.label, mark) for step, mark in zip(steps, marks, strict=True)]
    count = 0
    while len(set(colours)) > count:
        count = len(set(colours))
        down: list[int] = []
        for position, step in enumerate(steps):
            operands = [down[operand] for operand in step.operands]
            down.append(_digest(colours[position], sorted(operands) if step.free else operands))
        users: list[list[int]] = [[] for _ in steps]
        up = list(down)
        for position in range(len(steps) - 1, -1, -1):
            up[position] = _digest(down[position], sorted(users[position]))
            for place, operand in enumerate(steps[position].operands):
                users[operand].append(_digest(up[position], -1 if steps[position].free else place))
        owners: dict[int, list[int]] = {}
        for position, step in enumerate(steps):
            if step.owner is not None:
                owners.setdefault(step.owner, []).append(up[position])
        whole = {owner: _digest(sorted(found)) for owner, found in owners.items()}
        colours = [_digest(up[p], whole.get(s.owner) if s.owner is not None else 0) for p, s in enumerate(steps)]
    return colours


def _numbered(steps: Sequence[Step], colours: Sequence[int]) -> tuple[list[int], list[int]]:
    """The steps in canonical order, by a walk from the result; and the first operands that it could not tell apart."""
    order: list[int] = []
    seen: set[int] = set()
    alike: list[int] = []
    stack = [(len(steps) - 1, False)]
    while stack:
        position, done = stack.pop()
        if done:
            order.append(position)
            continue
        if position in seen:
            continue
        seen.add(position)
        stack.append((position, True))
        operands = list(steps[position].operands)
        if steps[position].free:
            operands.sort(key=lambda operand: colours[operand])
            for left, right in pairwise(operands):
                if left != right and colours[left] == colours[right] and not alike:
                    alike = list(dict.fromkeys(o for o in operands if colours[o] == colours[left]))
        stack += [(operand, False) for operand in reversed(operands) if operand not in seen]
    return order, alike


def _form(flat: Flat, order: Sequence[int]) -> str:
    """The graph as text, its steps and owners numbered in this order."""
    numbers = {position: number for number, position in enumerate(order)}
    owners: dict[int, int] = {}
    lines: list[str] = []
    for position in order:
        step = flat.steps[position]
        operands = [numbers[operand] for operand in step.operands]
        owner = "" if step.owner is None else f" @{owners.setdefault(step.owner, len(owners))}"
        lines.append(f"{step.label} {sorted(operands) if step.free else operands}{owner}")
    for left, name, right, other in flat.links:
        if left in owners and right in owners:
            lines.append(f"tied {sorted([(owners[left], name), (owners[right], other)])}")
    return "\n".join(lines)
