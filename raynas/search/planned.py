"""Planned: what came of asking the strategy once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raynas.errors import RaynasError
from raynas.search_space import Sample
from raynas.trial import TrialKey


@dataclass(frozen=True)
class Planned:
    """A part of the planner's answer to an `Ask`.

    Attributes:
        number: the proposal's number.
        sample: what the strategy proposed; None: nothing now.
        key: what makes a training the same; its replicate is filled in later.
        note: the strategy's own data.
        source: the generated text; None where there is none.
        rejected: why the candidate cannot be trained; empty where it can.
        parents: numbers of the trials whose weights the strategy wants kept.
        seen: how many trials had ended in the history that it saw.
        last: whether the answer ends with this one.
        error: what the search cannot go on with.
        detail: the traceback that belongs to the error.
    """

    number: int
    sample: Sample | None = None
    key: TrialKey | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None
    rejected: str = ""
    parents: frozenset[int] = frozenset()
    seen: int = 0
    last: bool = True
    error: RaynasError | None = None
    detail: str = ""
