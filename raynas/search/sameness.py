"""Sameness: which training stands for which key, and which trials wait for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from raynas.trial import Trial, TrialKey, TrialState


@dataclass(frozen=True)
class Followers:
    """What becomes of the trials that waited for one that has ended.

    Attributes:
        share: they share its outcome.
        heir: it is trained in its place, and the others go on waiting.
    """

    share: tuple[int, ...] = ()
    heir: int | None = None


class Sameness:
    """Knows for each key the one trial that is trained, or was, and whose outcome the others share.

    Args:
        dedup: whether keys are compared at all.
        trials: those of a resumed run: the ended ones in the order in which they ended, then the others by number.
    """

    def __init__(self, dedup: bool, trials: Iterable[Trial] = ()) -> None:
        self._dedup = dedup
        self._trainers: dict[TrialKey, int] = {}
        self._waiting: dict[TrialKey, list[int]] = {}
        self._copies: Counter[TrialKey] = Counter()
        # By the end, then by number: the first training of a key is the one that the others shared.
        for trial in trials:
            if not dedup:
                base = replace(trial.key, replicate=0)
                self._copies[base] = max(self._copies[base], trial.key.replicate + 1)
            if trial.state is TrialState.WAITING:
                self.waits(trial)
            elif trial.order is None or (trial.twin is None and shareable(trial)):
                self._trainers.setdefault(trial.key, trial.number)

    @property
    def waiting(self) -> int:
        """How many trials wait for another."""
        return sum(map(len, self._waiting.values()))

    def key(self, key: TrialKey, replicate: int) -> TrialKey:
        """The key of a proposal's trial: without deduplication, each is one more replicate."""
        if self._dedup:
            return replace(key, replicate=replicate)
        base = replace(key, replicate=0)
        self._copies[base] += 1
        return replace(base, replicate=self._copies[base] - 1)

    def trainer(self, key: TrialKey) -> int | None:
        """The trial whose outcome one with this key shares; None: it has to be trained."""
        return self._trainers.get(key) if self._dedup else None

    def trains(self, trial: Trial) -> None:
        """Note that this trial is trained for its key."""
        self._trainers[trial.key] = trial.number

    def waits(self, trial: Trial) -> None:
        """Note that this trial waits for the training of its key."""
        self._waiting.setdefault(trial.key, []).append(trial.number)

    def ended(self, trial: Trial) -> Followers:
        """What follows for others when a trial with a training of its own has ended."""
        waiting = self._waiting.pop(trial.key, [])
        if shareable(trial):
            return Followers(tuple(waiting))
        if not waiting:
            self._trainers.pop(trial.key, None)
            return Followers()
        heir, *others = waiting
        if others:
            self._waiting[trial.key] = others
        return Followers(heir=heir)


def shareable(trial: Trial) -> bool:
    """Whether a twin of this ended trial would have ended the same way."""
    return trial.cause is None or trial.cause.architectural
