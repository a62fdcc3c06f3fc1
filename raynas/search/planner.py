"""Planner: asks the strategy, and makes of its proposal what a trial needs: key, source, evaluator."""

from __future__ import annotations

import hashlib
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from raynas.errors import PluginError, RaynasError, SearchError
from raynas.search.planned import Planned
from raynas.search_space import Sample, SearchSpace
from raynas.strategy import Proposal, Strategy, consult, generator
from raynas.trial import History, TrialKey

SOURCES = 1024
"""How many candidates' texts are remembered, so that one that is proposed again is not generated again."""


class Candidate(Protocol):
    """A frozen, simplified graph."""

    def fingerprint(self) -> str:
        """Equal for equal networks."""

    def source(self) -> str:
        """Its text."""


@dataclass(frozen=True)
class Designs:
    """What a sample stands for; made where torch is known, used here without knowing it.

    Attributes:
        space: all choices, the model's and the evaluator's.
        candidate: the network that a sample stands for.
        evaluator: the evaluator's document with its choices made as a sample says.
        code: digest of the user's code that a training runs, beside the graph.
        reject: why a candidate is not to be trained; None where it is. A `RaynasError` rejects, too.
    """

    space: SearchSpace
    candidate: Callable[[Sample], Candidate]
    evaluator: Callable[[Sample], str]
    code: str = ""
    reject: Callable[[Any, Sample], str | None] = lambda candidate, sample: None


class Planner:
    """Answers one `Ask` at a time.

    Args:
        strategy: the plug-in.
        designs: what its samples stand for.
        seed: the experiment's.
        first: samples that are tried before the strategy is asked.
        replicates: how many trials each proposal begins.
    """

    def __init__(
        self, strategy: Strategy, designs: Designs, seed: int, first: Sequence[Sample] = (), replicates: int = 1
    ) -> None:
        self._strategy = strategy
        self._name = type(strategy).__name__
        self._designs = designs
        self._seed = seed
        self._first = first
        self._replicates = replicates
        self._sources: OrderedDict[str, str] = OrderedDict()

    def plan(self, number: int, history: History) -> Planned:
        """The proposal with this number; whatever goes wrong comes back as its `error`."""
        try:
            return self._plan(number, history)
        except RaynasError as error:
            return Planned(number, error=error, detail=traceback.format_exc())
        except Exception as error:
            wrapped = SearchError(f"planning proposal {number} failed with {type(error).__name__}: {error}")
            return Planned(number, error=wrapped, detail=traceback.format_exc())

    def _plan(self, number: int, history: History) -> Planned:
        place = number // self._replicates
        proposal = Proposal(self._first[place]) if place < len(self._first) else self._asked(number, history)
        parents = self._parents(history)
        seen = len(history.ended)
        if proposal is None:
            return Planned(number, parents=parents, seen=seen)
        sample = proposal.sample
        warm_start = self._parent(proposal, history)
        evaluator = digest(self._designs.evaluator(sample))
        rejected, source = "", None
        try:
            candidate = self._designs.candidate(sample)
            fingerprint = candidate.fingerprint()
            rejected = self._designs.reject(candidate, sample) or ""
            source = None if rejected else self._source(fingerprint, candidate)
        except RaynasError as error:  # this sample's graph does not hold together, others may
            fingerprint = f"sample:{digest(sample.to_json())}"
            rejected = str(error)
        key = TrialKey(fingerprint, evaluator, self._designs.code, proposal.budget, warm_start)
        return Planned(number, sample, key, proposal.note, source, rejected, parents, seen)

    def _asked(self, number: int, history: History) -> Proposal | None:
        rng = generator(self._seed, number)
        try:
            return consult(self._strategy, self._designs.space, history, rng)
        except RaynasError:
            raise
        except Exception as error:
            raise PluginError(
                f"strategy {self._name} failed on proposal {number}: {type(error).__name__}: {error}"
            ) from error

    def _parents(self, history: History) -> frozenset[int]:
        try:
            return frozenset(_trained(number, history) for number in self._strategy.parents(history))
        except Exception as error:
            raise PluginError(f"strategy {self._name}: parents() failed: {type(error).__name__}: {error}") from error

    def _parent(self, proposal: Proposal, history: History) -> int | None:
        if proposal.warm_start is None:
            return None
        if not keeps_parents(self._strategy):
            raise PluginError(
                f"strategy {self._name} wants to start from trial {proposal.warm_start}, whose weights nobody keeps: "
                "have its method parents() name that trial"
            )
        return _trained(proposal.warm_start, history)

    def _source(self, fingerprint: str, candidate: Candidate) -> str:
        if fingerprint in self._sources:
            self._sources.move_to_end(fingerprint)
            return self._sources[fingerprint]
        source = self._sources[fingerprint] = candidate.source()
        if len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
        return source


def _trained(number: int, history: History) -> int:
    """The trial whose training stands behind this one: itself, or the twin whose result it shares."""
    twin = history[number].twin
    return number if twin is None else twin


def keeps_parents(strategy: Strategy) -> bool:
    """Whether the strategy says which weights must stay."""
    return type(strategy).parents is not Strategy.parents


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def training_seed(seed: int, key: TrialKey) -> int:
    """The seed of a training: the same wherever, whenever and as which proposal it comes."""
    text = f"{seed}/{key.fingerprint}/{key.replicate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class InlinePlanner:
    """Plans in the caller's thread."""

    def __init__(self, plan: Callable[[int, History], Planned], deliver: Callable[[Planned], None]) -> None:
        self._plan, self._deliver = plan, deliver

    def ask(self, number: int, history: History) -> None:
        self._deliver(self._plan(number, history))

    def close(self) -> None:
        """Nothing to end."""


class ThreadPlanner:
    """Plans in a thread of its own, so that a slow strategy never delays a verdict.

    Args:
        plan: makes a plan; runs in the thread.
        deliver: takes it; called in the thread.
    """

    def __init__(self, plan: Callable[[int, History], Planned], deliver: Callable[[Planned], None]) -> None:
        self._plan, self._deliver = plan, deliver
        self._asks: SimpleQueue[tuple[int, History] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="raynas-planner", daemon=True)
        self._thread.start()

    def ask(self, number: int, history: History) -> None:
        self._asks.put((number, history))

    def close(self) -> None:
        """End the thread when it has finished its plan."""
        self._asks.put(None)
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while (ask := self._asks.get()) is not None:
            self._deliver(self._plan(*ask))
