"""Grid search: every sample of a finite space, in order."""

from __future__ import annotations

from random import Random

from raynas import ConfigError, History, Proposal, SearchSpace, Strategy

NOTE = {"by": "grid"}


class GridSearch(Strategy):
    """Proposes every sample once, the last choice changing fastest, and ends.

    Where it stands is the sample of its own last proposal, which its note tells from samples that were tried first at
    the user's wish; those are left out when their turn comes.
    """

    ends_by_itself = True

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        continuous = [domain.label for domain in space if domain.size() is None]
        if continuous:
            raise ConfigError(
                f"grid search cannot enumerate the continuous choice '{continuous[0]}': "
                "give it a list of values, or take another strategy"
            )
        last = history.latest
        after = last.sample if last is not None and last.note == NOTE else None
        for sample in space.grid(after):
            if not history.proposed(sample):
                return Proposal(sample, note=dict(NOTE))
        return None
