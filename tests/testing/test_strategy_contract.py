"""The contract can fail: each of these strategies breaks it in one way, and the test for that way says so."""

import random
from collections.abc import Collection
from random import Random
from typing import Any

import pytest

from raynas import History, Proposal, Sample, SearchSpace, Strategy
from raynas.errors import RaynasError
from raynas.testing import StrategyContract, spaces


class Sound(Strategy):
    """Draws what is new as long as there is something new; keeps the contract."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        size = space.size()
        if size is not None and history.distinct >= size:
            return None
        while history.proposed(sample := space.random(rng)):
            pass
        return sample


class Stateful(Sound):
    """Takes turns by its own count."""

    def __init__(self) -> None:
        self.turn = 0

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        self.turn += 1
        return super().ask(space, history, Random(self.turn))


class Global(Sound):
    """Draws from Python's global random numbers."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return super().ask(space, history, Random(random.random()))


class Stranger(Sound):
    """Proposes labels that the space does not have."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return Sample({"unheard": 1})


class Untidy(Sound):
    """Notes what JSON does not keep."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        sample = super().ask(space, history, rng)
        return sample and Proposal(sample, note={"at": (1, 2)})  # type: ignore[arg-type]  # a sample with choices


class Mute(Sound):
    """Has nothing to say."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return None


class Obstinate(Sound):
    """Always proposes the same."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return space.default()


class Restless(Sound):
    """Draws with replacement and never ends."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        return space.random(rng)


class Confident(Sound):
    """Expects that something has a result, once something has been proposed."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        if len(history) > 3:
            assert history.score(history.completed[-1]) > -1
        return super().ask(space, history, rng)


class Vain(Sound):
    """Writes into the history."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        note: Any = history[0].note if len(history) > 1 else {}
        note["seen"] = len(history)
        return super().ask(space, history, rng)


class Literal(Sound):
    """Depends on the order in which a sample's labels happen to stand."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        salt = "".join(history.latest.sample) if history.latest else ""
        return super().ask(space, history, Random(f"{salt}{len(history)}"))


class Ghostly(Sound):
    """Wants the weights of trials that never were."""

    def parents(self, history: History) -> Collection[int]:
        return [len(history)]


class Forgetful(Sound):
    """Starts from the first trial, which it names as long as there are few."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        sample = super().ask(space, history, rng)
        start = 0 if 0 in self.parents(history) or len(history) > 10 else None
        start = start if history.completed and history.completed[0].number == 0 else None
        return None if sample is None else Proposal(sample, warm_start=start)  # type: ignore[arg-type]  # a sample

    def parents(self, history: History) -> Collection[int]:
        return [trial.number for trial in history.ended[:1]] if len(history) < 5 else []


class Brooding(Sound):
    """Looks at every trial, every time."""

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        for _ in history.completed:
            pass
        return super().ask(space, history, rng)


def contract(cls: type[Strategy]) -> StrategyContract:
    class Contract(StrategyContract):
        def make(self) -> Strategy:
            return cls()

    return Contract()


TESTS = [name for name in vars(StrategyContract) if name.startswith("test_")]


@pytest.mark.parametrize("name", TESTS)
def test_a_sound_strategy_holds_it(name: str) -> None:
    getattr(contract(Sound), name)()


@pytest.mark.parametrize(
    ("cls", "name", "message"),
    [
        (Stateful, "test_the_same_question_has_the_same_answer", "let ask depend on space, history and rng only"),
        (Stateful, "test_a_new_object_goes_on_where_the_old_one_was", "ends in another search"),
        (Stateful, "test_resumes_from_any_prefix", "resumed from a stored history after"),
        (Global, "test_the_same_question_has_the_same_answer", "let ask depend|global random numbers"),
        (Stranger, "test_proposals_can_be_tried", "not a sample of the space: there is no choice 'unheard'"),
        (Untidy, "test_proposals_can_be_tried", "JSON does not keep"),
        (Mute, "test_proposals_can_be_tried", "nothing was proposed in the search of 'flat', undisturbed"),
        (Mute, "test_many_workers", "nothing was proposed to 40 workers"),
        (Obstinate, "test_one_sample_is_not_proposed_for_ever", "on the space 'flat', only Sample"),
        (Obstinate, "test_small_spaces_end", "return None where history.distinct reaches"),
        (Restless, "test_small_spaces_end", "return None where history.distinct reaches"),
        (Confident, "test_many_workers", "-1"),
        (Confident, "test_everything_fails", "-1"),
        (Vain, "test_ask_leaves_the_history_alone", "ask changed the history, in the search of"),
        (Literal, "test_resumes_from_any_prefix", "resumed from a stored history after"),
        (Ghostly, "test_parents_are_in_the_history", "parents names trials .0. that never were"),
        (Forgetful, "test_weights_to_start_from_are_kept", "starts from trial 0, whose weights are gone"),
        (Brooding, "test_does_not_slow_down", "proposals cost .* lines of Python, the first"),
    ],
)
def test_each_breach_is_seen(cls: type[Strategy], name: str, message: str) -> None:
    with pytest.raises((AssertionError, RaynasError, IndexError), match=message):
        getattr(contract(cls), name)()


def test_a_model_based_strategy_may_slow_down() -> None:
    patient = contract(Brooding)
    patient.flat = False
    patient.test_does_not_slow_down()


def test_make_must_be_written() -> None:
    with pytest.raises(TypeError, match="make"):
        StrategyContract()  # type: ignore[abstract]  # the mistake under test


def test_every_kind_of_space_is_there() -> None:
    sizes = {name: space.size() for name, space in spaces().items()}
    assert sizes["flat"] == 48
    assert sizes["one sample"] == sizes["no choices"] == 1
    assert sizes["conditional"] == len(list(spaces()["conditional"].grid())) == 15
