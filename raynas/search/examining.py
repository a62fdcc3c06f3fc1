"""Examining: which network a sample stands for, whether it may be trained, and its text; the same in any process."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from raynas.errors import ConfigError, RaynasError
from raynas.search_space import Sample, SearchSpace

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


@dataclass(frozen=True)
class Examined:
    """What is to be known of a sample's network before it is trained.

    Attributes:
        fingerprint: equal for equal networks; where there is no network, the sample's own.
        source: the generated text; None where it is not trained.
        rejected: why it cannot be trained; empty where it can.
    """

    fingerprint: str
    source: str | None = None
    rejected: str = ""


class Examiner:
    """Examines samples; a function of the sample alone.

    Args:
        designs: what samples stand for.
    """

    def __init__(self, designs: Designs) -> None:
        self._designs = designs
        self._sources: OrderedDict[str, str] = OrderedDict()

    def __call__(self, sample: Sample) -> Examined:
        """What a sample stands for; a mistake in the run's settings passes through, and what is no `RaynasError`."""
        try:
            candidate = self._designs.candidate(sample)
            fingerprint = candidate.fingerprint()
            rejected = self._designs.reject(candidate, sample) or ""
            return Examined(fingerprint, None if rejected else self._source(fingerprint, candidate), rejected)
        except ConfigError:
            raise
        except RaynasError as error:  # this sample's graph does not hold together, others may
            return Examined(unexamined(sample), rejected=str(error))

    def _source(self, fingerprint: str, candidate: Candidate) -> str:
        if fingerprint in self._sources:
            self._sources.move_to_end(fingerprint)
            return self._sources[fingerprint]
        source = self._sources[fingerprint] = candidate.source()
        if len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
        return source


def unexamined(sample: Sample) -> str:
    """What stands for the fingerprint of a sample whose network is not known."""
    return f"sample:{digest(sample.to_json())}"


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
