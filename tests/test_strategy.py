"""What a strategy may answer, and what is said of an answer that cannot be tried."""

from random import Random
from typing import Any

import pytest

from raynas import History, Proposal, Sample, SearchSpace, Strategy
from raynas.errors import PluginError
from raynas.search_space import Categorical
from raynas.strategy import consult, generator
from raynas.testing import simulate

SPACE = SearchSpace([Categorical("width", candidates=(8, 16))])
WIDE = Sample({"width": 16})


class Answering(Strategy):
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Any:
        return self.answer


@pytest.fixture
def history() -> History:
    """One finished trial, number 0, and one that failed, number 1."""

    def fails_when_wide(trial: Any) -> float:
        return 1 / (16 - trial.sample["width"])

    class Both(Strategy):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | None:
            return next((sample for sample in space.grid() if not history.proposed(sample)), None)

    return simulate(Both(), SPACE, fails_when_wide, trials=2)


@pytest.mark.parametrize(
    ("answer", "proposal"),
    [
        (None, None),
        (WIDE, Proposal(WIDE)),
        (Proposal(WIDE, budget=3, warm_start=0, note={"rung": [1, 2.5, None, {"a": "b"}]}), ...),
    ],
)
def test_what_may_be_answered(answer: Any, proposal: Any, history: History) -> None:
    expected = answer if proposal is ... else proposal
    assert consult(Answering(answer), SPACE, history, Random(0)) == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"width": 16}, r"strategy Answering answered {'width': 16}: let it return a Sample, a Proposal or None"),
        (Proposal({"width": 16}), r"proposed {'width': 16} as a sample: wrap it in raynas.Sample"),  # type: ignore[arg-type]  # the mistake under test
        (Sample({}), r"proposed what is not a sample of the space: the sample leaves out 'width'"),
        (Sample({"width": 8.0}), r"the sample sets 'width' to 8.0: give it one of 8, 16"),
        (Proposal(WIDE, budget=0), r"proposed a budget of 0: give it a positive number or None"),
        (Proposal(WIDE, budget=float("nan")), r"proposed a budget of nan"),
        (Proposal(WIDE, warm_start=7), r"proposed to start from trial 7, which has no result"),
        (Proposal(WIDE, warm_start=1), r"proposed to start from trial 1, which has no result"),
        (Proposal(WIDE, note={"a": object}), r"noted {'a': <class 'object'>}, which JSON does not keep"),
        (Proposal(WIDE, note={"a": (1, 2)}), r"noted {'a': \(1, 2\)}, which JSON does not keep"),
        (Proposal(WIDE, note={1: 2}), r"noted {1: 2}, which JSON does not keep"),  # type: ignore[dict-item]  # the mistake under test
    ],
)
def test_what_may_not(answer: Any, message: str, history: History) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        consult(Answering(answer), SPACE, history, Random(0))
    assert str(caught.value).startswith("strategy Answering ")


def test_an_exception_of_the_strategy_passes_through(history: History) -> None:
    class Broken(Strategy):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> None:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        consult(Broken(), SPACE, history, Random(0))


def test_random_numbers_belong_to_seed_and_number() -> None:
    def draws(seed: int, number: int) -> list[float]:
        rng = generator(seed, number)
        return [rng.random() for _ in range(3)]

    assert draws(1, 2) == draws(1, 2)
    assert len({tuple(draws(seed, number)) for seed in range(20) for number in range(20)}) == 400
    assert draws(0, 0) == [0.34268425763729726, 0.6924420773214919, 0.8307707218969084], (
        "a search begun earlier needs them"
    )


def test_a_strategy_needs_no_weights_unless_it_says_so(history: History) -> None:
    assert list(Answering(None).parents(history)) == []
