"""Colours: numbers that say how a step of a flat graph looks, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from raynas.graph.step import Step

MASK = (1 << 64) - 1
FACTOR, SUMMAND = 0x9E3779B97F4A7C15, 0x632BE59BD9B4E019


@lru_cache(maxsize=1 << 16)
def number_of(label: str) -> int:
    """The colour of a label."""
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "big")


def mixed(start: int, values: Iterable[int]) -> int:
    """One number of several, in which their order counts; the same in every process."""
    for value in values:
        start = ((start ^ value) * FACTOR + SUMMAND) & MASK
        start ^= start >> 29
    return start


def refined(steps: Sequence[Step], marks: Sequence[int]) -> list[int]:
    """Colours that say how a step looks from all sides: what it computes, who uses it and what it shares."""
    colours = [mixed(number_of(step.label), (mark,)) for step, mark in zip(steps, marks, strict=True)]
    places: dict[int, list[int]] = {}
    for position, step in enumerate(steps):
        if step.owner is not None:
            places.setdefault(step.owner, []).append(position)
    several = [found for found in places.values() if len(found) > 1]
    count = 0
    while len(set(colours)) > count:
        count = len(set(colours))
        colours = from_above(steps, from_below(steps, colours))
        shared = [0] * len(steps)
        for found in several:
            whole = mixed(1, sorted([colours[position] for position in found]))
            for position in found:
                shared[position] = whole
        pairs = zip(colours, shared, strict=True)
        values = [((colour ^ whole) * FACTOR + SUMMAND) & MASK for colour, whole in pairs]
        colours = [value ^ (value >> 29) for value in values]  # as in `mixed`
    return colours


def from_below(steps: Sequence[Step], colours: Sequence[int]) -> list[int]:
    """Colours that also say what the operands' colours are."""
    found: list[int] = []
    for (_, operands, free, _, _), colour in zip(steps, colours, strict=True):
        below = [found[operand] for operand in operands]
        if free:
            below.sort()
        for value in below:  # as in `mixed`
            colour = ((colour ^ value) * FACTOR + SUMMAND) & MASK
            colour ^= colour >> 29
        found.append(colour)
    return found


def from_above(steps: Sequence[Step], colours: Sequence[int]) -> list[int]:
    """Colours that also say what the users' colours are, and where in their arguments they have it."""
    users: list[list[int]] = [[] for _ in steps]
    found = list(colours)
    for position in range(len(steps) - 1, -1, -1):
        colour = colours[position]
        for value in sorted(users[position]):  # as in `mixed`
            colour = ((colour ^ value) * FACTOR + SUMMAND) & MASK
            colour ^= colour >> 29
        found[position] = colour
        _, operands, free, _, _ = steps[position]
        for place, operand in enumerate(operands):
            value = ((colour ^ (0 if free else place + 1)) * FACTOR + SUMMAND) & MASK
            users[operand].append(value ^ (value >> 29))
    return found
