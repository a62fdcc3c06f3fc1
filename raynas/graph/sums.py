"""Sums: chains of additions as one sum, and the steps that a result hangs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from raynas.graph.step import Step

SUM = "sum"


def summed(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps with every chain of additions as one sum of many terms."""
    plus = [position for position, step in enumerate(steps) if step.role == "plus"]
    if not plus:
        return steps
    tensor = _tensors(steps)
    uses = Counter([operand for step in steps for operand in step.operands])
    found = list(steps)
    for position in plus:
        if tensor[position]:
            step = found[position]
            terms: list[int] = []
            for operand in step.operands:
                inner = found[operand]
                if inner.role == "plus" and tensor[operand] and uses[operand] == 1:
                    terms += inner.operands
                else:
                    terms.append(operand)
            note = step.label.partition(" with ")[2]
            found[position] = Step(f"{SUM} of {len(terms)} {note}", tuple(terms), True, step.owner, step.role)
    return found


def _tensors(steps: Sequence[Step]) -> list[bool]:
    """Which steps surely give a tensor, or a number: a sum with a tensor in it is one, and all that is in it."""
    found: list[bool] = []
    open_: list[int] = []
    for position, step in enumerate(steps):
        role = step.role
        found.append(role == "gives" or role == "maps")
        if role == "maps" and step.operands:
            found[step.operands[0]] = True
        elif role == "plus" or role == "keeps":
            open_.append(position)
    changed = True
    while changed:
        changed = False
        for position in open_:
            step = steps[position]
            if step.role == "plus":
                together = (position, *step.operands)
                sure = [found[other] for other in together]
                if True in sure and False in sure:
                    changed = True
                    for other in together:
                        found[other] = True
            elif step.operands and found[step.operands[0]] and not found[position]:
                found[position] = changed = True
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
