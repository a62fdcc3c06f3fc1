"""Settled: a space built once more with values in the place of its choices, held against what its graph says for them.

A constructor may learn of a choice what no expression keeps: it reads a width off a layer that was made with the
default, asks `isinstance` or `is None`, looks into a set. Then the graph stands for other models than the code does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import Any, NoReturn

from torch import nn

from raynas.errors import TraceError, notice
from raynas.graph import Graph, GraphSpace
from raynas.nn.settled import settled, with_values
from raynas.nn.tape import Tape
from raynas.pytorch.codegen import to_source
from raynas.pytorch.proof import build_alike
from raynas.search_space import DomainLeaf, Leaf, Sample, Value
from raynas.search_space.expression import other_defaults
from raynas.serializer import Call

TURNS = (0, 1, 2, -1)
"""Which candidates are tried: the first of every choice, the second, the third, the last."""

STEPS = ("make", "let", "apply", "set", "copy")


@dataclass(frozen=True)
class Rebuilt:
    """How a space is built anew.

    Attributes:
        tape: what was recorded when it was built first.
        choices: its choices of values.
        call: builds the model.
        read: gives the graph of a model.
    """

    tape: Tape
    choices: Sequence[Leaf]
    call: Call
    read: Callable[[nn.Module], Graph]

    def space(self, turn: int | None = None) -> GraphSpace:
        """The space; with the values of a turn, or with its choices."""
        args, kwargs = self.call.args, dict(self.call.kwargs)
        if turn is None:
            return self._read(lambda: self.call.target(*args, **kwargs))
        given = [(leaf, _candidate(leaf, turn)[1]) for leaf in self.choices]
        args, kwargs = with_values(args, given), with_values(kwargs, given)

        def build() -> nn.Module:
            with settled(given):  # choices that a forward makes stay choices
                return self.call.target(*args, **kwargs)  # type: ignore[no-any-return]  # a constructor

        with other_defaults({id(leaf): value for leaf, value in given}):  # of choices that were made before
            return self._read(build)

    def _read(self, build: Callable[[], nn.Module]) -> GraphSpace:
        return GraphSpace(self.read(build_alike(build, self.tape)))


def check_values(name: str, space: GraphSpace, again: Rebuilt) -> None:
    """See that a space is, with values in the place of its choices, what its graph says for them.

    Raises:
        TraceError: it is another model.
    """
    tried: list[list[Value]] = []
    told = False
    for turn in TURNS:
        values = [_candidate(leaf, turn)[0] for leaf in again.choices]
        if values in tried:
            continue
        tried.append(values)
        labels = [leaf.label for leaf in again.choices]
        given = {label: value for label, value in zip(labels, values, strict=True) if label is not None}
        sample = space.search_space.complete(given, Random(turn))
        try:
            expected = space.freeze(sample)
            found = _frozen(again.space(turn), sample)
            if _same(expected, found) or not _repeats(again, expected, sample):
                continue
        except Exception:  # whatever a constructor raises when layers do not fit each other
            continue
        where = _told(again.choices, values)
        if _kept(expected, ("set", "copy")) != _kept(found, ("set", "copy")):
            _refuse(name, expected, found, where)
        if not told:
            _tell(name, expected, found, where)
        told = True


def _candidate(leaf: Leaf, turn: int) -> tuple[Value, Any]:
    """How a choice's candidate is called in samples, and what it is."""
    if isinstance(leaf, DomainLeaf):
        value = getattr(leaf.of, "high" if turn else "low", leaf.of.default)
        return value, value
    position = min(turn, len(leaf.candidates) - 1)
    return leaf.tokens[position], leaf.candidates[position]


def _frozen(space: GraphSpace, sample: Sample) -> Graph:
    return space.freeze(space.search_space.complete(sample, Random(0)))


def _same(expected: Graph, found: Graph) -> bool:
    if to_source(found) == to_source(expected):
        return True
    return bool(_kept(expected, STEPS[1:]) == _kept(found, STEPS[1:]))


def _repeats(again: Rebuilt, expected: Graph, sample: Sample) -> bool:
    """Whether building the model anew, with choices, gives the same space."""
    return to_source(_frozen(again.space(), sample)) == to_source(expected)


def _told(choices: Sequence[Leaf], values: Sequence[Value]) -> str:
    """The values, for a message."""
    names = [f"'{leaf.label}'" if leaf.label else f"the choice at {leaf.where}" for leaf in choices]
    some = [f"{name} = {value!r}" for name, value in dict(zip(names, values, strict=True)).items()]
    return ", ".join(some[:6]) + (", …" if len(some) > 6 else "")


def _different_lines(expected: Graph, found: Graph) -> tuple[str, str]:
    lines = zip_longest(to_source(expected).splitlines(), to_source(found).splitlines(), fillvalue="")
    theirs, ours = next((left.strip(), right.strip()) for left, right in lines if left != right)
    return f"`{theirs}`" if theirs else "nothing", f"`{ours}`" if ours else "nothing"


def _refuse(name: str, expected: Graph, found: Graph, values: str) -> NoReturn:
    with_choices, with_values = _different_lines(expected, found)
    raise TraceError(
        f"{name} is another model when it is built with {values} (it says {with_values} then, and {with_choices} with "
        "choices): hand on the choice itself; ask no layer for its width, and of no choice its type, whether it is "
        "None or whether a set or dict has it; and put no choice in an attribute of a layer"
    )


def _tell(name: str, expected: Graph, found: Graph, values: str) -> None:
    with_choices, with_values = _different_lines(expected, found)
    notice(
        f"{name} starts with other weights than the original where {values}: its constructor says {with_choices}, and "
        f"{with_values} when it is built with these values; what it reads off a layer is that of its choices' defaults"
    )


def _kept(graph: Graph, kinds: Sequence[str]) -> Any:
    """A graph's document with only these kinds of its constructors' steps."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item for key, item in ((key, kept(item)) for key, item in value.items()) if item != []}
        if isinstance(value, list):
            return [kept(item) for item in value if not isinstance(item, dict) or _is_kept(item, kinds)]
        return value

    return kept(json.loads(graph.to_json()))


def _is_kept(step: dict[str, Any], kinds: Sequence[str]) -> bool:
    kind = next((kind for kind in STEPS if kind in step), None)
    if kind == "apply" and not any(word in json.dumps(step) for word in ("$at", "$local")):
        return False  # a layer that was made and thrown away
    return kind is None or kind in kinds
