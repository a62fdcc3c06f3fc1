"""StrategyContract: what every strategy must hold, as tests that a plug-in inherits."""

from __future__ import annotations

import json
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import FrameType
from typing import Any
from zlib import crc32

from raynas.errors import ConfigError
from raynas.search_space import Sample, SearchSpace
from raynas.strategy import Proposal, Strategy, consult
from raynas.testing.simulate import FREE, Objective, simulate
from raynas.testing.spaces import spaces
from raynas.trial import History, Trial


@dataclass(frozen=True)
class Asked:
    """One question put to a strategy, and its answer."""

    space: SearchSpace
    history: History
    randomness: Any
    answer: Proposal | None

    def put_to(self, strategy: Strategy, history: History | None = None) -> Proposal | None:
        """What `strategy` answers to the same question, perhaps with a history that says the same."""
        rng = Random()
        rng.setstate(self.randomness)
        return consult(strategy, self.space, self.history if history is None else history, rng)


class Recorder(Strategy):
    """Passes the first `limit` questions on and keeps them; `renew` makes a new strategy for each."""

    def __init__(self, make: Callable[[], Strategy], renew: bool = False, limit: int = 80) -> None:
        self.make = make
        self.renew = renew
        self.limit = limit
        self.strategy = make()
        self.asked: list[Asked] = []

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal | None:
        if len(self.asked) == self.limit:
            return None
        if self.renew:
            self.strategy = self.make()
        randomness = rng.getstate()
        answer = consult(self.strategy, space, history, rng)
        self.asked.append(Asked(space, history, randomness, answer))
        return answer


class StrategyContract(ABC):
    """Subclass it as `Test…`, let `make` return the strategy, and run pytest.

    Attributes:
        flat: whether the time of a proposal does not grow with the history. Set it to False in the test of a strategy
            that fits a model to all trials.
        trials: how many trainings each search of the tests has; less than 60 for a strategy that is slow to answer.
        many: over how many trainings a flat strategy must not slow down.
    """

    flat = True
    trials = 60
    many = 2000

    @abstractmethod
    def make(self) -> Strategy:
        """A new strategy, always with the same parameters."""

    def spaces(self) -> Mapping[str, SearchSpace]:
        """The spaces to search, by name: all that the strategy's `check` does not refuse."""
        return {name: space for name, space in spaces().items() if self._takes(space)}

    def test_proposals_can_be_tried(self) -> None:
        """Samples lie in the space, notes survive JSON, weights come from trials that have some."""
        for name, run in self._runs():
            assert any(asked.answer for asked in run()), f"nothing was proposed in the {name}"

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Neither what was asked before, nor how often, nor Python's global random numbers matter."""
        everything = [asked for _, run in self._runs() for asked in run()]
        Random(0).shuffle(everything)
        strategy = self.make()
        state = random.getstate()
        try:
            for turn, asked in enumerate(everything[:600]):
                for again in range(2):
                    random.seed(2 * turn + again)
                    before = random.getstate()
                    self._same(asked, asked.put_to(strategy), "asked out of turn")
                    assert random.getstate() == before, "ask draws from Python's global random numbers, not from rng"
        finally:
            random.setstate(state)

    def test_a_new_object_goes_on_where_the_old_one_was(self) -> None:
        """A search whose strategy is made anew for each proposal is the same search."""
        for (name, run), (_, renewed) in zip(self._runs(), self._runs(renew=True), strict=True):
            left, right = ([asked.answer for asked in asks] for asks in (run(), renewed()))
            assert left == right, f"a new strategy for each proposal ends in another search, in the {name}"

    def test_resumes_from_any_prefix(self) -> None:
        """After a crash the history comes back from a database: equal, but made of other objects."""
        for _, run in self._runs():
            for asked in run():
                history = _reborn(asked.history)
                self._same(asked, asked.put_to(self.make(), history), "resumed from a stored history")

    def test_many_workers(self) -> None:
        """More workers than trials have ended, for long."""
        for name, space in self.spaces().items():
            history = simulate(self.make(), space, landscape, trials=self.trials + 20, workers=40)
            assert len(history), f"nothing was proposed to 40 workers on the space '{name}'"

    def test_everything_fails(self) -> None:
        """A search in which no trial ever has a result goes on until its end."""
        for space in self.spaces().values():
            simulate(Recorder(self.make), space, failing, trials=self.trials, workers=3)
            simulate(Recorder(self.make), space, infeasible, trials=self.trials)

    def test_small_spaces_end(self) -> None:
        """Where all has been tried there is nothing to propose: `history.distinct` and `space.size()` tell."""
        for name, space in self.spaces().items():
            size = space.size()
            if size is None or size > 1000:
                continue
            for workers in (1, 4):
                recorder = Recorder(self.make, limit=2 * FREE + size)
                history = simulate(recorder, space, landscape, trials=2 * size + 10, workers=workers)
                assert len(history) < size + FREE, (
                    f"on the space '{name}', which has {size} samples, proposals went on for {len(history)} trials: "
                    "return None where history.distinct reaches space.size()"
                )

    def test_one_sample_is_not_proposed_for_ever(self) -> None:
        """A proposal that was answered without training has entered the history; another one is due."""
        for name, space in self.spaces().items():
            # The recorder, which does not end by itself, is stopped where a grid would go on to the last sample.
            many = FREE if self.flat else 2 * self.trials
            recorder = Recorder(self.make, limit=2 * many)
            history = simulate(recorder, space, landscape, trials=300, fingerprint=lambda sample: "all the same")
            last = [trial.sample for trial in history.trials[-many:]]
            assert len(last) < many or len(set(last)) > 1, (
                f"on the space '{name}', only {last[0]!r} was proposed in the end"
            )

    def test_ask_leaves_the_history_alone(self) -> None:
        for name, run in self._runs():
            for asked in run():
                before = _told(asked.history)
                asked.put_to(self.make())
                assert _told(asked.history) == before, f"ask changed the history, in the {name}"

    def test_parents_are_in_the_history(self) -> None:
        for name, run in self._runs():
            for asked in run():
                numbers = {trial.number for trial in asked.history}
                parents = set(self.make().parents(asked.history))
                assert parents <= numbers, f"parents names trials {parents - numbers} that never were, in the {name}"

    def test_weights_to_start_from_are_kept(self) -> None:
        """What a proposal starts from has been named by `parents` at every question since it ended."""
        for name, run in self._runs():
            kept: set[int] = set()
            seen = 0
            for asked in run():
                history = asked.history
                kept.update(trial.number for trial in history.ended[seen:] if trial.has_result)
                seen = len(history.ended)
                kept.intersection_update(self.make().parents(history))
                start = asked.answer.warm_start if asked.answer is not None else None
                assert start is None or start in kept, (
                    f"in the {name}, trial {len(history)} starts from trial {start}, whose weights are gone: "
                    "let parents() name it from its end until then"
                )

    def test_does_not_slow_down(self) -> None:
        """Over many trials the last proposals cost at most twice the work of the first, in lines of Python run."""
        if not self.flat:
            return
        for space in self.spaces().values():
            size = space.size()
            if size is not None and size < 100_000:
                continue
            counted = _Counted(self.make())
            simulate(counted, space, landscape, trials=self.many, workers=4)
            tenth = len(counted.work) // 10
            first, last = sum(counted.work[:tenth]), sum(counted.work[-tenth:])
            assert last <= 2 * first, (
                f"the last {tenth} proposals cost {last} lines of Python, the first {first}: "
                "look at the end of history.completed only, or set flat = False in the test of a model-based strategy"
            )

    def _takes(self, space: SearchSpace) -> bool:
        try:
            self.make().check(space, {"score": "max"}, None)
        except ConfigError:
            return False
        return True

    def _runs(self, renew: bool = False) -> Iterator[tuple[str, Callable[[], list[Asked]]]]:
        """Searches of all kinds, by name."""
        for name, space in self.spaces().items():
            for kind, objective, workers, fingerprint in (
                ("undisturbed", landscape, 1, Sample.to_json),
                ("with failures", troubled, 1, Sample.to_json),
                ("with four workers, failures and twins", troubled, 4, _coarse),
            ):

                def run(
                    space: SearchSpace = space,
                    objective: Objective = objective,
                    workers: int = workers,
                    fingerprint: Callable[[Sample], str] = fingerprint,
                ) -> list[Asked]:
                    recorder = Recorder(self.make, renew)
                    simulate(recorder, space, objective, self.trials, workers, seed=1, fingerprint=fingerprint)
                    return recorder.asked

                yield f"search of '{name}', {kind}", run

    def _same(self, asked: Asked, answer: Proposal | None, how: str) -> None:
        assert answer == asked.answer, (
            f"{how} after {len(asked.history)} trials, the strategy answers {answer} instead of {asked.answer}: "
            "let ask depend on space, history and rng only"
        )


class _Counted(Strategy):
    """Counts the lines of Python that each question runs."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.work: list[int] = []

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            return self.strategy.ask(space, history, rng)
        finally:
            sys.settrace(before)
            self.work.append(count)


def _chance(text: str) -> float:
    return crc32(text.encode()) / 2**32


def landscape(trial: Trial) -> float:
    """Each choice adds its part, so that samples that differ little are alike."""
    return sum(_chance(f"{label}={value!r}") for label, value in trial.sample.items())


def troubled(trial: Trial) -> float | None:
    """A landscape in which a fifth of the samples fail and a fifth cannot run."""
    lot = _chance(trial.sample.to_json())
    if lot < 0.2:
        raise ValueError("this sample always fails")
    return None if lot < 0.4 else landscape(trial)


def failing(trial: Trial) -> float:
    raise ValueError("every sample fails")


def infeasible(trial: Trial) -> None:
    return None


def _coarse(sample: Sample) -> str:
    """A fingerprint by which about a third of the samples have a twin."""
    return str(crc32(sample.to_json().encode()) % 30)


def _reborn(history: History) -> History:
    def trial(old: Trial) -> Trial:
        return replace(old, sample=Sample.from_json(old.sample.to_json()), note=json.loads(json.dumps(old.note)))

    return History.of([trial(old) for old in history.trials], dict(history.objectives))


def _told(history: History) -> str:
    return repr([history.objectives, history.trials, list(history.ended), list(history.completed), history.open])
