"""Record: all that a run's store tells at one moment; small enough to be sent to those who cannot open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from raynas.experiment.place import Place
from raynas.search import RunDefinition
from raynas.store import Epoch
from raynas.trial import Trial, TrialState


@dataclass(frozen=True)
class Record:
    """What a store tells of its run.

    Attributes:
        place: where the run lies, for those who can reach it.
        definition: what it was asked.
        trials: all of them, by number.
        ended: how it ended, as the store has it; None while it goes on, or after a crash.
        epoch: its newest writer; None where none has begun.
    """

    place: Place
    definition: RunDefinition
    trials: Sequence[Trial]
    ended: str | None
    epoch: Epoch | None

    @property
    def done(self) -> int:
        """How many trials were trained and have ended."""
        trained = (TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED)
        return sum(trial.state in trained and trial.twin is None for trial in self.trials)

    @classmethod
    def read(cls, place: Place) -> Self:
        """The record of the run in this place."""
        with place.open(readonly=True) as store:
            definition = RunDefinition.from_store(store.definition())
            return cls(place, definition, store.trials(), store.ended(), store.current_epoch())
