"""Step: one line of a flat graph, and the list of them that a fingerprint compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Step(NamedTuple):
    """One step of a flat graph.

    Attributes:
        label: all that is fixed about it: kind, target, plain arguments; `#` where an operand stands.
        operands: positions of the steps whose values it uses, in the order of its arguments.
        free: whether the order of its operands makes no difference.
        owner: what it shares with other steps: a unit with parameters, or a parameter itself; None where nothing.
        role: what is known of its value. `gives` a tensor, of floats if all operands are; `maps` a tensor to another,
            of floats if it is; `makes` floats of floats; `turns` a tensor into floats; `alike`: of its operand's dtype;
            `keeps` its first operand's kind; `mixes` floats with whatever to floats; `plus` adds tensors or numbers, or
            joins tuples.
    """

    label: str
    operands: tuple[int, ...]
    free: bool = False
    owner: int | None = None
    role: str = ""


@dataclass(frozen=True)
class Flat:
    """Steps in program order, the last of which is the result, and links between owners (tied parameters).

    The result may not hang on all of them.
    """

    steps: tuple[Step, ...]
    links: tuple[tuple[int, str, int, str], ...] = ()
