"""Laws of pairing the steps of two ways through one forward."""

from __future__ import annotations

import random
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from torch import fx

from raynas.pytorch.alignment import Pair, aligned

WAYS = st.lists(st.sampled_from("abcd"), max_size=12)


def steps(names: list[str]) -> list[fx.Node]:
    """A chain of calls of modules, and its output."""
    graph = fx.Graph()
    value = graph.placeholder("x")
    for name in names:
        value = graph.call_module(name, (value,))
    graph.output(value)
    return list(graph.nodes)[1:]


def paired(yes: list[str], no: list[str]) -> list[Pair]:
    """What `aligned` gives; each way is in it, whole and in order, and a pair is one step of both."""
    left, right = steps(yes), steps(no)
    found = aligned(left, right, "training")
    assert [one for one, _ in found if one is not None] == left
    assert [other for _, other in found if other is not None] == right
    both = [(one, other) for one, other in found if one is not None and other is not None]
    assert all(one.target == other.target for one, other in both)
    assert both[-1] == (left[-1], right[-1]) == found[-1]
    return found


@given(WAYS, WAYS)
def test_as_many_steps_as_can_be_are_paired(yes: list[str], no: list[str]) -> None:
    @cache
    def most(i: int, j: int) -> int:
        if i == len(yes) or j == len(no):
            return 0
        return max(most(i + 1, j), most(i, j + 1), (yes[i] == no[j]) + (most(i + 1, j + 1) if yes[i] == no[j] else 0))

    assert sum(one is not None and other is not None for one, other in paired(yes, no)) == most(0, 0) + 1


def test_long_ways_are_paired_at_what_each_takes_once() -> None:
    rng = random.Random(0)
    layers = [f"layer{place}" for place in range(400)]
    yes = [name for layer in layers for name in (layer, *(["drop"] if rng.random() < 0.5 else []), "act")]
    no = [name for layer in layers for name in (layer, "act")]
    found = paired(["first", *yes, "last"], ["other", *no])
    assert sum(one is not None and other is not None for one, other in found) == len(no) + 1
    moved = paired(["first", *yes, "last"], ["other", *no[400:], *no[:400]])
    assert sum(one is not None and other is not None for one, other in moved) > len(no) / 3
