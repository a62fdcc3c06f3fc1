"""Repeat: a block several times, one after the other."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

from torch import nn

from raynas.errors import SpaceError
from raynas.nn.candidates import takes_place
from raynas.search_space import Expression, Leaf
from raynas.search_space.expression import defaults
from raynas.search_space.where import users_line


class Repeat(nn.Module):
    """The same kind of block, `depth` times in a row; each block takes what the one before it returns.

    Called outside a search it runs at the default depth, which is the smallest.

    Args:
        block: a module, of which every position gets a copy with weights of its own and the same choices; a function
            of the position (from 0) that builds the block there, with choices of its own; or a list of these blocks.
        depth: a number, a range `(least, most)`, both included, or a choice.
        label: the depth's name as a choice; by default the path at which the Repeat stands.
    """

    def __init__(
        self,
        block: nn.Module | Callable[[int], nn.Module] | Sequence[nn.Module],
        depth: int | tuple[int, int] | Expression,
        label: str | None = None,
    ) -> None:
        super().__init__()
        self.depth = _depth(depth, label)
        deepest = max(_values(self.depth, label))
        if isinstance(block, list | tuple | nn.ModuleList) and len(block) != deepest:
            raise SpaceError(
                f"{users_line()}: Repeat '{label}' has {len(block)} blocks for depths up to {deepest}: give as many "
                "blocks as that"
            )
        for position in range(deepest):
            made = _built(block, position)
            if not isinstance(made, nn.Module):
                raise SpaceError(
                    f"{users_line()}: Repeat '{label}' got {made!r} for position {position}: "
                    "its function must build a module"
                )
            self.add_module(str(position), made)

    @property
    def blocks(self) -> list[nn.Module]:
        """The blocks, as many as the largest depth."""
        return [module for module in self._modules.values() if module is not None]

    def forward(self, x: Any) -> Any:
        """What the blocks of the default depth make of `x`, one after the other."""
        for block in self.blocks[: defaults(self.depth)]:
            x = block(x)
        return x


def _built(block: Any, position: int) -> Any:
    """The block at a position; a class whose constructor needs no argument, or a function of none, is given none."""
    if isinstance(block, list | tuple | nn.ModuleList):
        return block[position]
    if isinstance(block, nn.Module):
        return copy.deepcopy(block)
    if not callable(block):
        raise SpaceError(
            f"{users_line()}: Repeat repeats {block!r:.80}: give a module, a list of modules, or a function "
            "that builds one for a position"
        )
    asks = takes_place(block, 1) if isinstance(block, type) else bool(inspect.signature(block).parameters)
    return block(position) if asks else block()


def _depth(depth: int | tuple[int, int] | Expression, label: str | None) -> Expression:
    if isinstance(depth, Expression):
        return depth
    least, most = depth if isinstance(depth, tuple) and len(depth) == 2 else (depth, depth)
    whole = all(isinstance(bound, Integral) and not isinstance(bound, bool) for bound in (least, most))
    if not whole or not 0 <= least <= most:
        raise SpaceError(
            f"{users_line()}: Repeat '{label}' has the depth {depth!r}: give a whole number from 0, a range "
            "(least, most), or a ValueChoice of several"
        )
    return Leaf(range(int(least), int(most) + 1), label)


def _values(depth: Expression, label: str | None) -> list[int]:
    leaves = {id(leaf): leaf for leaf in depth.leaves()}
    if len(leaves) != 1:
        raise SpaceError(
            f"{users_line()}: Repeat '{label}' has a depth that hangs on {len(leaves)} choices: make it one ValueChoice"
        )
    (leaf,) = leaves.values()

    def at(candidate: Any, item: Any) -> Any:
        if item is leaf:
            return candidate
        if isinstance(item, Expression):
            return defaults(Expression(item.function, *(at(candidate, arg) for arg in item.args)))
        return item

    values = [at(candidate, depth) for _, candidate in leaf.options()]
    wrong = next((value for value in values if type(value) is not int or value < 0), None)
    if wrong is not None:
        raise SpaceError(f"{users_line()}: Repeat '{label}' may have the depth {wrong!r}: give whole numbers from 0")
    return values
