"""Alignment: which steps two ways through one forward have in common.

Any pairing that keeps both orders gives the right graph; the longest one gives the shortest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from raynas.pytorch.flags import READS, plain, select, when_of

SCALARS = (bool, int, float, str, type(None), torch.dtype)
EQUAL, ALIKE = 3, 2
"""What it is worth to pair two steps that are equal, or differ in a number."""

LIMIT = 250_000
"""So many pairs of steps are compared at most."""

Pair = tuple[fx.Node | None, fx.Node | None]


def aligned(yes: list[fx.Node], no: list[fx.Node], flag: str) -> list[Pair]:
    """The steps of both ways in one order, those that both take in pairs; the outputs are the last pair."""
    left = [_form(node, flag, True) for node in yes[:-1]]
    right = [_form(node, flag, False) for node in no[:-1]]
    start = 0
    while start < min(len(left), len(right)) and left[start] == right[start]:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end] == right[-1 - end]:
        end += 1
    middle = _paired(left[start : len(left) - end], right[start : len(right) - end])
    pairs: list[Pair] = list(zip(yes[:start], no[:start], strict=True))
    pairs += [
        (None if one is None else yes[start + one], None if other is None else no[start + other])
        for one, other in middle
    ]
    return [*pairs, *zip(yes[len(left) - end :], no[len(right) - end :], strict=True)]


def _paired(left: list[Any], right: list[Any]) -> list[tuple[int | None, int | None]]:
    """The longest common subsequence, by places, with the rest between: of the left side first."""
    rows, columns = len(left), len(right)
    pairs: list[tuple[int, int]] = []
    if rows * columns <= LIMIT:
        best = [[0] * (columns + 1) for _ in range(rows + 1)]
        for i in range(rows - 1, -1, -1):
            for j in range(columns - 1, -1, -1):
                paired = _worth(left[i], right[j])
                both = best[i + 1][j + 1] + paired if paired else 0
                best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
        i = j = 0
        while i < rows and j < columns:
            paired = _worth(left[i], right[j])
            if paired and best[i][j] == best[i + 1][j + 1] + paired:
                pairs.append((i, j))
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                i += 1
            else:
                j += 1
    found: list[tuple[int | None, int | None]] = []
    i = j = 0
    for one, other in [*pairs, (rows, columns)]:
        found += [(place, None) for place in range(i, one)]
        found += [(None, place) for place in range(j, other)]
        if one < rows:
            found.append((one, other))
        i, j = one + 1, other + 1
    return found


def _worth(left: Any, right: Any) -> int:
    if left[0] != right[0]:
        return 0
    return EQUAL if left[1] == right[1] else ALIKE


def _form(node: fx.Node, flag: str, is_true: bool) -> tuple[Any, Any]:
    """What two steps must have in common to be paired; and what else equal ones have."""
    if node.target is select:
        return (node,), ()  # it reads best where its values are, which each way has of its own
    head = node.op, node.target, node.meta.get("op"), when_of(node)
    numbers: list[Any] = []
    numeric = node.op in ("call_function", "call_method") and node.target not in READS
    numeric = numeric or node.meta.get("op") == "module"

    def form(value: Any) -> Any:
        value = plain(value, flag, is_true)
        if isinstance(value, fx.Node):
            return "a value"
        if isinstance(value, tuple | list):
            return type(value), *map(form, value)
        if isinstance(value, dict):
            return dict, *((repr(key), form(item)) for key, item in value.items())
        if isinstance(value, slice):
            return slice, form(value.start), form(value.stop), form(value.step)
        if numeric and type(value) in SCALARS:
            numbers.append((type(value), repr(value)))
            return "a number"
        return type(value), repr(value)

    return (*head, form(node.args), form(node.kwargs)), tuple(numbers)
