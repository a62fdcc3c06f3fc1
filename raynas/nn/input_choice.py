"""InputChoice: some of several inputs, made one."""

from __future__ import annotations

from itertools import combinations
from numbers import Integral
from typing import Any, Literal

import torch
from torch import Tensor, nn

from raynas.errors import SpaceError
from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import constant, defaults
from raynas.search_space.where import users_line

REDUCTIONS = ("sum", "mean", "concat", "none")


class InputChoice(nn.Module):
    """Chooses among its inputs; call it with the inputs, or with one list of them.

    Called outside a search it takes the first inputs.

    Args:
        n_candidates: how many inputs there are.
        n_chosen: how many to take: a number, a range `(least, most)`, or None for any number from one.
        reduction: what becomes of several: `sum`, `mean`, `concat` along dimension 1, or `none`, a tuple.
        label: the choice's name; by default the path at which it stands in the model.
        pick: an expression of other choices, which then decide: its value is a position, or a tuple of positions.
    """

    def __init__(
        self,
        n_candidates: int,
        n_chosen: int | tuple[int, int] | None = 1,
        reduction: Literal["sum", "mean", "concat", "none"] = "sum",
        label: str | None = None,
        pick: Any = None,
    ) -> None:
        super().__init__()
        name = f"{users_line()}: InputChoice '{label}'"
        if reduction not in REDUCTIONS:
            raise SpaceError(f"{name} has the reduction {reduction!r}: use one of {', '.join(REDUCTIONS)}")
        chosen = (1, n_candidates) if n_chosen is None else n_chosen
        bounds: tuple[int, ...] = chosen if isinstance(chosen, tuple) else (chosen, chosen)
        whole = all(isinstance(number, Integral) for number in (*bounds, n_candidates))
        if not (whole and len(bounds) == 2 and 1 <= bounds[0] <= bounds[1] <= n_candidates):
            raise SpaceError(
                f"{name} cannot take {n_chosen!r} of {n_candidates!r} inputs: take a number from 1 to that of the "
                "inputs, a range (least, most), or None for any number"
            )
        least, most = bounds
        self.n_candidates = n_candidates
        self.reduction = reduction
        if pick is None:
            one = least == most == 1 and reduction != "none"
            picks = [pick for count in range(least, most + 1) for pick in combinations(range(n_candidates), count)]
            pick = Leaf([first for first, *_ in picks] if one else picks, label)
        self.pick = pick if isinstance(pick, Expression) else constant(pick)

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs among the arguments of a call; `SpaceError` where their number is not `n_candidates`."""
        given = listed(args)
        if len(given) != self.n_candidates:
            raise SpaceError(
                f"{users_line()}: InputChoice {self.pick!r} was called with {len(given)} inputs: "
                f"it is for {self.n_candidates}"
            )
        return given

    def forward(self, *args: Any) -> Any:
        """The first inputs, reduced."""
        default = defaults(self.pick)
        inputs = self.inputs(args)
        return reduced([inputs[i] for i in (default if isinstance(default, tuple) else (default,))], self.reduction)


def listed(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call, or the items of its only one; asks nothing of a value that is being traced."""
    return tuple(args[0]) if len(args) == 1 and issubclass(type(args[0]), list | tuple) else args


def reduced(chosen: list[Tensor], reduction: str) -> Any:
    """Several inputs as one."""
    if reduction == "none":
        return tuple(chosen)
    if len(chosen) == 1:
        return chosen[0]
    if reduction == "concat":
        return torch.cat(chosen, 1)
    total = chosen[0]
    for item in chosen[1:]:
        total = total + item
    return total / len(chosen) if reduction == "mean" else total
