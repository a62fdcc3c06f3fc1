"""Fingerprint: one text for all the ways to write one network down.

A frozen graph is flattened and put into a canonical form: its steps numbered by a walk from the result, operands in
their order, or, where order makes no difference, in an order of their own. Equal fingerprints mean isomorphic graphs:
the form holds every step, argument, connection and shared parameter, so graphs that differ in any of them differ here.
A chain of additions counts as one sum. Where operands of a sum look alike from all sides and are not plainly
interchangeable, each is tried in front and the smallest form taken; past `TRIES` trials the rest is taken as it comes:
a very symmetric graph may get more than one fingerprint, but two graphs never get the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from raynas.graph.flat import flatten
from raynas.graph.graph import Graph
from raynas.graph.step import Flat, Step

TRIES = 200
"""How often the steps of a symmetric graph are coloured anew."""

VERSION = "1"
"""Stands in every fingerprint; another canonical form gets another."""

MASK = (1 << 64) - 1


def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits; the same in every process and for every version of torch."""
    form = canonical(flatten(graph))
    return hashlib.blake2b(f"{VERSION}\n{form}".encode(), digest_size=16).hexdigest()


def canonical(flat: Flat) -> str:
    """The canonical form of a flat graph, as text."""
    colours = _below(flat.steps)
    if not _ambiguous(flat, colours):
        return _form(flat, _walk(flat.steps, colours)[0])
    return _Search(flat).form()


class _Search:
    """Looks for the smallest form of a graph with operands that look alike."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.tries = 0

    def form(self) -> str:
        return self.smallest(self.refined([0] * len(self.flat.steps)))

    def refined(self, marks: Sequence[int]) -> list[int]:
        self.tries += 1
        return _refined(self.flat.steps, marks)

    def marked(self, colours: list[int], chosen: int) -> list[int]:
        return self.refined([*colours[:chosen], colours[chosen] ^ MASK, *colours[chosen + 1 :]])

    def smallest(self, colours: list[int]) -> str:
        """The smallest form with these colours; candidates that lead to the same form are interchangeable."""
        while True:
            order, alike = _walk(self.flat.steps, colours)
            if not alike:
                return _form(self.flat, order)
            branches: dict[str, list[int]] = {}
            for chosen in alike if self.tries < TRIES else alike[:1]:
                branch = self.marked(colours, chosen)
                branches.setdefault(self.greedy(branch) if self.tries < TRIES else "", branch)
            if len(branches) > 1:
                return min(self.smallest(branch) for branch in branches.values())
            (colours,) = branches.values()

    def greedy(self, colours: list[int]) -> str:
        """The form that comes of taking the first of those that look alike."""
        while True:
            order, alike = _walk(self.flat.steps, colours)
            if not alike:
                return _form(self.flat, order)
            colours = self.marked(colours, alike[0])


@lru_cache(maxsize=1 << 16)
def _number(label: str) -> int:
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "big")


def _mixed(start: int, values: Iterable[int]) -> int:
    """One number of several, in which their order counts; the same in every process."""
    for value in values:
        start = ((start ^ value) * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & MASK
        start ^= start >> 29
    return start


def _below(steps: Sequence[Step]) -> list[int]:
    """For each step a number that says what it computes, looking down to the inputs only."""
    found: list[int] = []
    for step in steps:
        operands = [found[operand] for operand in step.operands]
        if step.free:
            operands.sort()
        found.append(_mixed(_number(step.label), operands))
    return found


def _ambiguous(flat: Flat, colours: Sequence[int]) -> bool:
    """Whether some sum has two terms that look the same and cannot plainly be swapped."""
    steps = flat.steps
    uses: Counter[int] | None = None
    for step in steps:
        if not step.free or len({colours[operand] for operand in step.operands}) == len(set(step.operands)):
            continue
        if uses is None:
            uses = Counter(operand for other in steps for operand in other.operands)
            owners = Counter(other.owner for other in steps if other.owner is not None)
            owners.update(owner for left, _, right, _ in flat.links for owner in (left, right))
        terms = sorted(set(step.operands), key=lambda operand: colours[operand])
        for left, right in pairwise(terms):
            if colours[left] == colours[right] and not _twins(steps, colours, uses, owners, left, right):
                return True
    return False


def _twins(
    steps: Sequence[Step],
    colours: Sequence[int],
    uses: Counter[int],
    owners: Counter[int],
    left: int,
    right: int,
) -> bool:
    """Whether two terms are equal branches of their own, down to the steps that they have in common."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if one == other:
            continue
        a, b = steps[one], steps[other]
        shared = any(step.owner is not None and owners[step.owner] > 1 for step in (a, b))
        if uses[one] > 1 or uses[other] > 1 or shared or a.label != b.label or len(a.operands) != len(b.operands):
            return False
        if a.free:
            by_colour = [sorted(step.operands, key=lambda operand: (colours[operand], operand)) for step in (a, b)]
            common = set(by_colour[0]) & set(by_colour[1])
            mine, others = ([operand for operand in operands if operand not in common] for operands in by_colour)
            if [colours[operand] for operand in mine] != [colours[operand] for operand in others]:
                return False
            pairs += zip(mine, others, strict=True)
        else:
            pairs += zip(a.operands, b.operands, strict=True)
    return True


def _refined(steps: Sequence[Step], marks: Sequence[int]) -> list[int]:
    """Colours that say how a step looks from all sides: what it computes, who uses it and what it shares."""
    colours = [_mixed(_number(step.label), (mark,)) for step, mark in zip(steps, marks, strict=True)]
    count = 0
    while len(set(colours)) > count:
        count = len(set(colours))
        down: list[int] = []
        for position, step in enumerate(steps):
            operands = [down[operand] for operand in step.operands]
            if step.free:
                operands.sort()
            down.append(_mixed(colours[position], operands))
        users: list[list[int]] = [[] for _ in steps]
        up = list(down)
        for position in range(len(steps) - 1, -1, -1):
            step = steps[position]
            up[position] = _mixed(down[position], sorted(users[position]))
            for place, operand in enumerate(step.operands):
                users[operand].append(_mixed(up[position], (0 if step.free else place + 1,)))
        owners: dict[int, list[int]] = {}
        for position, step in enumerate(steps):
            if step.owner is not None:
                owners.setdefault(step.owner, []).append(up[position])
        whole = {owner: _mixed(1, sorted(found)) for owner, found in owners.items() if len(found) > 1}
        colours = [_mixed(up[p], (whole.get(s.owner, 0) if s.owner is not None else 0,)) for p, s in enumerate(steps)]
    return colours


def _walk(steps: Sequence[Step], colours: Sequence[int]) -> tuple[list[int], list[int]]:
    """The steps in canonical order, operands first; and the first operands that the colours do not tell apart."""
    order: list[int] = []
    seen: set[int] = set()
    alike: list[int] = []
    stack = [len(steps) - 1]
    while stack:
        position = stack.pop()
        if position < 0:
            order.append(~position)
            continue
        if position in seen:
            continue
        seen.add(position)
        stack.append(~position)
        step = steps[position]
        operands: Sequence[int] = step.operands
        if step.free:
            operands = sorted(operands, key=lambda operand: colours[operand])
            if not alike:
                for left, right in pairwise(operands):
                    if left != right and colours[left] == colours[right]:
                        alike = list(dict.fromkeys(o for o in operands if colours[o] == colours[left]))
                        break
        stack += [operand for operand in reversed(operands) if operand not in seen]
    return order, alike


def _form(flat: Flat, order: Sequence[int]) -> str:
    """The graph as text, its steps and owners numbered in this order."""
    numbers = {position: number for number, position in enumerate(order)}
    owners: dict[int, int] = {}
    lines: list[str] = []
    for position in order:
        step = flat.steps[position]
        operands = [numbers[operand] for operand in step.operands]
        if step.free:
            operands.sort()
        owner = "" if step.owner is None else f" @{owners.setdefault(step.owner, len(owners))}"
        lines.append(f"{step.label} {operands}{owner}")
    for left, name, right, other in flat.links:
        if left in owners and right in owners:
            lines.append(f"tied {sorted([(owners[left], name), (owners[right], other)])}")
    return "\n".join(lines)
