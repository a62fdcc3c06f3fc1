"""Sums: chains of additions as one sum, and the steps that a result hangs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from raynas.graph.step import Step

SUM = "sum"

MAKES_ONE = frozenset({"maps", "makes", "turns", "alike"})
"""Roles of what makes one tensor of another."""

SURE = MAKES_ONE | {"gives"}
"""Roles of what surely gives a tensor."""

RULES: Mapping[str, Callable[[Sequence[int], int], bool]] = {
    "maps": lambda found, floats: found[0] == floats,
    "keeps": lambda found, floats: found[0] == floats,
    "gives": lambda found, floats: set(found) == {floats},
    "mixes": lambda found, floats: floats in found,
    "plus": lambda found, floats: floats in found,
}
"""By role, whether a step's value is of floats, where `found` tells that of its operands."""


def summed(steps: Sequence[Step]) -> Sequence[Step]:
    """The steps with every chain of additions as one sum of many terms, where their order only changes the rounding.

    It changes more where dtypes differ: of two booleans and a float, `(True + True) + 1.0` is 2 and `True + (True +
    1.0)` is 3. So all terms but one are floats for certain, or all are of one dtype.
    """
    roles = [step[4] for step in steps]
    if "plus" not in roles:
        return steps
    plus = [position for position, role in enumerate(roles) if role == "plus"]
    sure = all(not SURE.isdisjoint([roles[operand] for operand in steps[position].operands]) for position in plus)
    tensor = None if sure else _tensors(steps, plus)
    found = list(steps)
    uses: list[int] = []
    dtypes: list[int] = []
    for position in plus:
        if tensor is not None and not tensor[position]:
            continue
        label, operands, _, owner, _ = found[position]
        note = label.partition(" with ")[2] if " with " in label else ""
        if "plus" not in [roles[operand] for operand in operands]:
            found[position] = Step(f"{SUM} of 2 {note}", operands, True, owner, "plus")
            continue
        terms: list[int] = []
        for operand in operands:
            inner = roles[operand] == "plus" and (tensor is None or tensor[operand])
            uses = uses or (_uses(steps) if inner else [])
            terms += found[operand].operands if inner and uses[operand] == 1 else (operand,)
        if len(terms) > 2:
            dtypes = dtypes or _dtypes(steps)
            kinds = {dtypes[term] for term in terms}
            if len(kinds) > 1 and sum(dtypes[term] != len(steps) for term in terms) > 1:
                terms = list(operands)
        found[position] = Step(f"{SUM} of {len(terms)} {note}", tuple(terms), True, owner, "plus")
    return found


def _dtypes(steps: Sequence[Step]) -> list[int]:
    """A number for each step: steps that surely have one dtype share it; what surely are floats have the last one."""
    floats = len(steps)
    parent = list(range(floats + 1))

    def of(position: int) -> int:
        while parent[position] != position:
            parent[position] = position = parent[parent[position]]
        return position

    def join(one: int, other: int) -> None:
        one, other = of(one), of(other)
        parent[min(one, other)] = max(one, other)

    def settled(position: int) -> bool:
        label, operands, _, _, role = steps[position]
        found = [of(operand) for operand in operands]
        if RULES[role](found, floats) and "dtype" not in label:
            parent[of(position)] = floats
            return True
        if role == "plus" and found[0] == found[1]:
            join(position, found[0])
        return False

    pending: list[int] = []
    for position, (label, operands, _, _, role) in enumerate(steps):
        if role == "makes" and operands:
            parent[of(operands[0])] = parent[position] = floats
        elif role == "turns":
            parent[position] = floats
        elif role == "alike" and operands and "dtype" not in label:
            join(position, operands[0])
        elif role in RULES and operands and not settled(position):
            pending.append(position)
    known: list[int] = []
    while pending and known != (known := [of(position) for position in range(floats)]):
        pending = [position for position in pending if not settled(position)]
    return [of(position) for position in range(floats)]


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
        if role in MAKES_ONE:
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
