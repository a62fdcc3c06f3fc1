"""Alignment: which steps two ways through one forward have in common.

Any pairing that keeps both orders gives the right graph; the longest one gives the shortest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any, TypeAlias

import torch
from torch import fx

from raynas.pytorch.flags import READS, plain, select, when_of

SCALARS = (bool, int, float, str, type(None), torch.dtype)
EQUAL, ALIKE = 3, 2
"""What it is worth to pair two steps that are equal, or differ in a number."""

LIMIT = 40_000
"""So many pairs of steps are compared at once."""

Pair: TypeAlias = tuple[fx.Node | None, fx.Node | None]
Form: TypeAlias = tuple[Any, Any]


def aligned(yes: list[fx.Node], no: list[fx.Node], flag: str) -> list[Pair]:
    """The steps of both ways in one order, those that both take in pairs; the outputs are the last pair."""
    left = [_form(node, flag, True) for node in yes[:-1]]
    right = [_form(node, flag, False) for node in no[:-1]]
    found: list[Pair] = []
    i = j = 0
    for one, other in [*_paired(left, right), (len(left), len(right))]:
        found += [(node, None) for node in yes[i:one]]
        found += [(None, node) for node in no[j:other]]
        found.append((yes[one], no[other]))
        i, j = one + 1, other + 1
    return found


def _paired(left: list[Form], right: list[Form]) -> list[tuple[int, int]]:
    """Places of equal or similar steps, rising on both sides."""
    start = end = 0
    shorter = min(len(left), len(right))
    while start < shorter and left[start] == right[start]:
        start += 1
    while end < shorter - start and left[-1 - end] == right[-1 - end]:
        end += 1
    inner, other = left[start : len(left) - end], right[start : len(right) - end]
    middle = _longest(inner, other) if len(inner) * len(other) <= LIMIT else _between(inner, other)
    pairs = [(place, place) for place in range(start)]
    pairs += [(start + i, start + j) for i, j in middle]
    return [*pairs, *((len(left) - place, len(right) - place) for place in range(end, 0, -1))]


def _longest(left: list[Form], right: list[Form]) -> list[tuple[int, int]]:
    """The longest common subsequence."""
    rows, columns = len(left), len(right)
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows - 1, -1, -1):
        for j in range(columns - 1, -1, -1):
            worth = _worth(left[i], right[j])
            both = best[i + 1][j + 1] + worth if worth else 0
            best[i][j] = max(both, best[i + 1][j], best[i][j + 1])
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < rows and j < columns:
        worth = _worth(left[i], right[j])
        if worth and best[i][j] == best[i + 1][j + 1] + worth:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _between(left: list[Form], right: list[Form]) -> list[tuple[int, int]]:
    """Of long ways, the steps of which each takes only one, such as calls of layers; and what stands between these."""
    counts = Counter(left), Counter(right)
    places = {form: place for place, form in enumerate(right)}
    once = [(i, places[form]) for i, form in enumerate(left) if counts[0][form] == counts[1][form] == 1]
    pairs: list[tuple[int, int]] = []
    i = j = 0
    for one, other in [*_rising(once), (len(left), len(right))]:
        inner, outer = left[i:one], right[j:other]
        if len(once) and len(inner) < len(left):
            pairs += [(i + a, j + b) for a, b in _paired(inner, outer)]
        pairs.append((one, other))
        i, j = one + 1, other + 1
    return pairs[:-1]


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most pairs that rise on both sides, given in the order of the first one."""
    ends: list[int] = []
    last: list[int] = []
    before: dict[int, int | None] = {}
    for place, (_, other) in enumerate(pairs):
        at = bisect_left(ends, other)
        ends[at : at + 1] = [other]
        last[at : at + 1] = [place]
        before[place] = last[at - 1] if at else None
    found: list[tuple[int, int]] = []
    at_last: int | None = last[-1] if last else None
    while at_last is not None:
        found.append(pairs[at_last])
        at_last = before[at_last]
    return found[::-1]


def _worth(left: Form, right: Form) -> int:
    if left[0] != right[0]:
        return 0
    return EQUAL if left[1] == right[1] else ALIKE


def _form(node: fx.Node, flag: str, is_true: bool) -> Form:
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
