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
from collections.abc import Sequence
from itertools import pairwise

from raynas.graph.colours import FACTOR, MASK, SUMMAND, number_of, refined
from raynas.graph.flat import flatten
from raynas.graph.graph import Graph
from raynas.graph.parts import settle
from raynas.graph.step import Flat, Step
from raynas.graph.sums import reached

TRIES = 200
"""How often the steps of a symmetric graph are coloured anew."""

VERSION = "1"
"""Stands in every fingerprint; another canonical form gets another."""


def fingerprint(graph: Graph) -> str:
    """32 hexadecimal digits; the same in every process and for every version of torch."""
    settle(graph)
    return settled_fingerprint(graph)


def settled_fingerprint(graph: Graph) -> str:
    """The same of a graph of which all that is known is true: nobody has had it in hands since it was found out."""
    form = canonical(flatten(graph))
    return hashlib.blake2b(f"{VERSION}\n{form}".encode(), digest_size=16).hexdigest()


def canonical(flat: Flat) -> str:
    """The canonical form of a flat graph, as text."""
    operands, colours, alike = _coloured(flat.steps)
    if alike:
        flat = Flat(tuple(reached(flat.steps)), flat.links)
        operands, colours, alike = _coloured(flat.steps)
        if alike and _ambiguous(flat, colours):
            return _Search(flat).form()
    return _form(flat, _order(operands))


def _coloured(steps: Sequence[Step]) -> tuple[list[Sequence[int]], list[int], bool]:
    """The operands of each step in their canonical order; colours from below; whether those of some sum look alike."""
    colours: list[int] = []
    ordered: list[Sequence[int]] = []
    alike = False
    for label, operands, free, _, _ in steps:
        if free and len(operands) == 2:
            one, other = operands
            if colours[one] >= colours[other] and one != other:
                alike = alike or colours[one] == colours[other]
                operands = (other, one) if colours[one] > colours[other] else operands
        elif free:
            operands = tuple(sorted(operands, key=colours.__getitem__))
            alike = alike or any(o != p and colours[o] == colours[p] for o, p in pairwise(operands))
        colour = number_of(label)
        for operand in operands:  # as in `mixed`
            colour = ((colour ^ colours[operand]) * FACTOR + SUMMAND) & MASK
            colour ^= colour >> 29
        colours.append(colour)
        ordered.append(operands)
    return ordered, colours, alike


class _Search:
    """Looks for the smallest form of a graph with operands that look alike."""

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.tries = 0

    def form(self) -> str:
        return self.smallest(self.refined([0] * len(self.flat.steps)))

    def refined(self, marks: Sequence[int]) -> list[int]:
        self.tries += 1
        return refined(self.flat.steps, marks)

    def marked(self, colours: list[int], chosen: int) -> list[int]:
        return self.refined([*colours[:chosen], colours[chosen] ^ MASK, *colours[chosen + 1 :]])

    def order(self, colours: Sequence[int]) -> tuple[list[Sequence[int]], list[int]]:
        """The operands in canonical order; and the first of them that the colours do not tell apart."""
        steps = self.flat.steps
        operands = _ordered(steps, colours)
        for position in _visited(operands):
            if steps[position].free:
                for left, right in pairwise(operands[position]):
                    if left != right and colours[left] == colours[right]:
                        same = [operand for operand in operands[position] if colours[operand] == colours[left]]
                        return operands, list(dict.fromkeys(same))
        return operands, []

    def smallest(self, colours: list[int]) -> str:
        """The smallest form with these colours; candidates that lead to the same form are interchangeable."""
        while True:
            operands, alike = self.order(colours)
            if not alike:
                return _form(self.flat, _order(operands))
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
            operands, alike = self.order(colours)
            if not alike:
                return _form(self.flat, _order(operands))
            colours = self.marked(colours, alike[0])


def _ambiguous(flat: Flat, colours: Sequence[int]) -> bool:
    """Whether some sum has two terms that look the same and cannot plainly be swapped."""
    steps = flat.steps
    alone: list[bool] = []
    for _, operands, free, _, _ in steps:
        if not free or len({colours[operand] for operand in operands}) == len(set(operands)):
            continue
        alone = alone or _alone(flat)
        terms = sorted(set(operands), key=colours.__getitem__)
        for left, right in pairwise(terms):
            if colours[left] == colours[right] and not _twins(steps, colours, alone, left, right):
                return True
    return False


def _alone(flat: Flat) -> list[bool]:
    """Which steps are used once, and share nothing."""
    uses = [0] * len(flat.steps)
    owners: Counter[int | None] = Counter(owner for left, _, right, _ in flat.links for owner in (left, right))
    for _, operands, _, owner, _ in flat.steps:
        for operand in operands:
            uses[operand] += 1
        owners[owner] += 1
    owners[None] = 0
    return [used < 2 and owners[step.owner] < 2 for used, step in zip(uses, flat.steps, strict=True)]


def _twins(steps: Sequence[Step], colours: Sequence[int], alone: Sequence[bool], left: int, right: int) -> bool:
    """Whether two terms are equal branches of their own, down to the steps that they have in common."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if one == other:
            continue
        a, b = steps[one], steps[other]
        if not alone[one] or not alone[other] or a.label != b.label or len(a.operands) != len(b.operands):
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


def _ordered(steps: Sequence[Step], colours: Sequence[int]) -> list[Sequence[int]]:
    """The operands of each step, by colour where their order makes no difference."""
    return [sorted(step.operands, key=colours.__getitem__) if step.free else step.operands for step in steps]


def _visited(operands: Sequence[Sequence[int]]) -> list[int]:
    """The steps that the last one hangs on, in the order in which they are come upon."""
    visited: dict[int, None] = {}
    stack = [len(operands) - 1]
    while stack:
        position = stack.pop()
        if position not in visited:
            visited[position] = None
            stack += operands[position][::-1]
    return list(visited)


def _order(operands: Sequence[Sequence[int]]) -> Sequence[int]:
    """The steps that the last one hangs on, each behind its operands, and these in their order."""
    if all(place in used for place, used in enumerate(operands[1:])):
        return range(len(operands))  # each step uses the one before it, so that there is but one order
    order: list[int] = []
    seen = [False] * len(operands)
    stack = [len(operands) - 1]
    while stack:
        position = stack.pop()
        if position < 0:
            order.append(~position)
        elif not seen[position]:
            seen[position] = True
            stack.append(~position)
            below = operands[position]
            if len(below) == 1:
                if not seen[below[0]]:
                    stack.append(below[0])
            else:
                stack += below[::-1]
    return order


def _form(flat: Flat, order: Sequence[int]) -> str:
    """The graph as text, its steps and owners numbered in this order."""
    steps = flat.steps
    numbers = [0] * len(steps)
    owners: dict[int, int] = {}
    lines: list[str] = []
    for number, position in enumerate(order):
        label, operands, free, owner, _ = steps[position]
        numbers[position] = number
        if len(operands) == 1:
            text = f"{label} [{numbers[operands[0]]}]"
        else:
            places = [numbers[operand] for operand in operands]
            if free:
                places.sort()
            text = f"{label} {places}"
        if owner is not None:
            text = f"{text} @{owners.setdefault(owner, len(owners))}"
        lines.append(text)
    for left, name, right, other in flat.links:
        if left in owners and right in owners:
            lines.append(f"tied {sorted([(owners[left], name), (owners[right], other)])}")
    return "\n".join(lines)
