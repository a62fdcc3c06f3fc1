"""Mutator: a user's own way to rewrite a graph, with picks of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from raynas.errors import GraphError, SampleError, SpaceError
from raynas.graph.graph import Graph
from raynas.search_space import Domain, Leaf, Value
from raynas.serializer import record


class Mutator(ABC):
    """Rewrites graphs. Subclass it at the top level of a module, and write `mutate`.

    A mutator keeps its constructor's arguments, so that a search can make its equal elsewhere; they must be values that
    `raynas.dumps` can write. What `mutate` does may depend on the graph, on these arguments and on its own picks, on
    nothing else: it runs once for every candidate, and some more times to find out which choices there are.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Mutator:
        made = super().__new__(cls)
        record(made, cls, args, kwargs)
        return made

    @property
    def name(self) -> str:
        """How messages call it."""
        return type(self).__name__

    @abstractmethod
    def mutate(self, graph: Graph) -> None:
        """Rewrite `graph`, a copy that is this candidate's own.

        Args:
            graph: the model, as the mutators before this one left it, its other choices unmade.
        """

    def choose(self, label: str, candidates: Sequence[Any]) -> Any:
        """One of the candidates: the first one by default, another one where the search says so.

        Args:
            label: the choice's name; asked again under one label, the answer is the same.
            candidates: plain values, classes or functions.
        """
        if _thread.picks is None:
            raise GraphError(f"mutator {self.name} chooses '{label}' outside of mutate: choose inside it")
        return _thread.picks.choose(self, label, candidates)


class Picks:
    """The answers of one run of mutators, and what they asked.

    Args:
        answers: by label, as in a sample.
        strict: whether every label must be answered; else a missing one is the default.

    Attributes:
        asked: the choices, in the order in which they were asked first.
        made: what was answered, by label.
    """

    def __init__(self, answers: Mapping[str, Value], strict: bool) -> None:
        self.answers = answers
        self.strict = strict
        self.asked: dict[str, Domain] = {}
        self.made: dict[str, Value] = {}

    def choose(self, mutator: Mutator, label: str, candidates: Sequence[Any]) -> Any:
        try:
            leaf = Leaf(candidates, label)
        except (SpaceError, TypeError) as error:
            raise SpaceError(f"mutator {mutator.name} asks for '{label}' among {candidates!r}: {error}") from None
        domain = leaf.domain()
        known = self.asked.setdefault(label, domain)
        if known != domain:
            raise SpaceError(
                f"mutator {mutator.name} asks for '{label}' to be {domain}{domain.at}, and it stands for {known}"
                f"{known.at}: give one of the two choices another label"
            )
        if label not in self.answers:
            if self.strict:
                raise SampleError(
                    f"mutator {mutator.name} asks for '{label}'{domain.at}, which it did not under these picks before: "
                    "let mutate depend on the graph and its own picks only, or ask for it always"
                )
            self.made[label] = leaf.tokens[0]
            return leaf.candidates[0]
        chosen = leaf.evaluate(self.answers)
        self.made[label] = self.answers[label]
        return chosen

    def __str__(self) -> str:
        return ", ".join(f"{label}={value!r}" for label, value in self.made.items()) or "without a pick"


class _Thread(threading.local):
    picks: Picks | None = None


_thread = _Thread()


@contextmanager
def picking(picks: Picks) -> Iterator[None]:
    """While this is open, mutators that run on this thread get their answers from `picks`."""
    before, _thread.picks = _thread.picks, picks
    try:
        yield
    finally:
        _thread.picks = before
