"""Planner: asks the strategy, and makes of its proposal what a trial needs: key, source, evaluator."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from raynas.errors import PluginError, RaynasError, SearchError
from raynas.search.examining import Designs, Examined, Examiner, digest, unexamined
from raynas.search.planned import Planned
from raynas.search_space import Sample
from raynas.strategy import Proposal, Strategy, consult, generator
from raynas.trial import History, Proposed, TrialKey, begin

SPELL = 0.05
"""Seconds after which the strategy is asked no further: what it has proposed can be examined."""


EVALUATORS = 256
"""So many evaluators' digests are remembered: mostly there is one, and each trial keeps it."""


class Planner:
    """Makes proposals of the strategy's answers.

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
        self._examine = Examiner(designs)
        self._digest = lru_cache(EVALUATORS)(digest)

    def plan(self, number: int, history: History) -> Planned:
        """The proposal with this number; whatever goes wrong comes back as its `error`."""
        return self.finished(self.draft(number, history))

    def drafts(self, number: int, history: History, count: int) -> list[Planned]:
        """Proposals from this number on, none of them examined yet; each knows of those before it, as open trials.

        At most `count`, and as many as are quickly made; no more where the strategy has nothing now, or something goes
        wrong, which the last one says.
        """
        until = time.monotonic() + SPELL
        found = [self.draft(number, history)]
        while len(found) < count and found[-1].sample is not None and time.monotonic() < until:
            history = self._with(found[-1], history)
            number += self._replicates
            found[-1] = replace(found[-1], last=False)
            found.append(self.draft(number, history))
        return found

    def draft(self, number: int, history: History) -> Planned:
        """The strategy's answer, not examined yet: its fingerprint stands for the sample."""
        return _guarded(number, lambda: self._draft(number, history))

    def finished(self, draft: Planned) -> Planned:
        """A draft and what its sample stands for."""
        sample = draft.sample
        return draft if sample is None else _guarded(draft.number, lambda: joined(draft, self._examine(sample)))

    def _draft(self, number: int, history: History) -> Planned:
        place = number // self._replicates
        proposal = Proposal(self._first[place]) if place < len(self._first) else self._asked(number, history)
        parents = self._parents(history)
        seen = len(history.ended)
        if proposal is None:
            return Planned(number, parents=parents, seen=seen)
        sample = proposal.sample
        warm_start = self._parent(proposal, history)
        evaluator = self._digest(self._designs.evaluator(sample))
        key = TrialKey(unexamined(sample), evaluator, self._designs.code, proposal.budget, warm_start)
        return Planned(number, sample, key, proposal.note, parents=parents, seen=seen)

    def _with(self, draft: Planned, history: History) -> History:
        assert draft.sample is not None and draft.key is not None
        for replicate in range(self._replicates):
            key = replace(draft.key, replicate=replicate)
            trial = begin(Proposed(draft.number + replicate, time.time(), draft.sample, key, draft.note))
            history = history.proposing(trial)
        return history

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


def joined(draft: Planned, found: Examined) -> Planned:
    """A draft and what was found out about its sample."""
    assert draft.key is not None
    key = replace(draft.key, fingerprint=found.fingerprint)
    return replace(draft, key=key, source=found.source, rejected=found.rejected)


def _guarded(number: int, make: Callable[[], Planned]) -> Planned:
    try:
        return make()
    except RaynasError as error:
        return Planned(number, error=error, detail=traceback.format_exc())
    except Exception as error:
        wrapped = SearchError(f"planning proposal {number} failed with {type(error).__name__}: {error}")
        return Planned(number, error=wrapped, detail=traceback.format_exc())


def _trained(number: int, history: History) -> int:
    """The trial whose training stands behind this one: itself, or the twin whose result it shares."""
    twin = history[number].twin
    return number if twin is None else twin


def keeps_parents(strategy: Strategy) -> bool:
    """Whether the strategy says which weights must stay."""
    return type(strategy).parents is not Strategy.parents


def training_seed(seed: int, key: TrialKey) -> int:
    """The seed of a training: the same wherever, whenever and as which proposal it comes."""
    text = f"{seed}/{key.fingerprint}/{key.replicate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
