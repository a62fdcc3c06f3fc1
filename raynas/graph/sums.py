"""Sums: chains of additions as one sum, and the steps that a result hangs on."""

from __future__ import annotations

from collections.abc import Sequence

from raynas.graph.step import Step

SUM = "sum"


def summed(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps with every chain of additions as one sum of many terms."""
    plus = [position for position, step in enumerate(steps) if step.role == "plus"]
    if not plus:
        return steps
    tensor = _tensors(steps, plus)
    found = list(steps)
    uses: list[int] = []
    for position in plus:
        if not tensor[position]:
            continue
        step = found[position]
        terms: list[int] = []
        for operand in step.operands:
            if steps[operand].role == "plus" and tensor[operand]:
                uses = uses or _uses(steps)
                if uses[operand] == 1:
                    terms += found[operand].operands
                    continue
            terms.append(operand)
        note = step.label.partition(" with ")[2]
        found[position] = Step(f"{SUM} of {len(terms)} {note}", tuple(terms), True, step.owner, "plus")
    return found


def _uses(steps: Sequence[Step]) -> list[int]:
    """How often each step stands in the operands of others."""
    found = [0] * len(steps)
    for step in steps:
        for operand in step.operands:
            found[operand] += 1
    return found


def _tensors(steps: Sequence[Step], plus: Sequence[int]) -> list[bool]:
    """Which steps surely give a tensor, or a number: a sum with a tensor in it is one, and all that is in it."""
    found = [False] * len(steps)
    keeps: list[int] = []
    for position, (_, operands, _, _, role) in enumerate(steps):
        if role == "maps":
            found[position] = True
            if operands:
                found[operands[0]] = True
        elif role == "gives":
            found[position] = True
        elif role == "keeps" and operands:
            keeps.append(position)
    changed = True
    while changed:
        changed = False
        for position in keeps:
            if not found[position] and found[steps[position].operands[0]]:
                found[position] = changed = True
        for position in plus:
            left, right = steps[position].operands
            sure = found[position] + found[left] + found[right]
            if 0 < sure < 3:
                found[position] = found[left] = found[right] = changed = True
    return found


def reached(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps that the last one hangs on, and no others."""
    needed = [False] * len(steps)
    needed[-1] = True
    for position in range(len(steps) - 1, -1, -1):
        if needed[position]:
            for operand in steps[position].operands:
                needed[operand] = True
    if all(needed):
        return steps
    places = [0] * len(steps)
    kept: list[Step] = []
    for position, step in enumerate(steps):
        if needed[position]:
            places[position] = len(kept)
            label, operands, free, owner, role = step
            kept.append(Step(label, tuple([places[operand] for operand in operands]), free, owner, role))
    return kept
