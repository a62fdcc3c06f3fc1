from random import Random

import pytest
from raynas_strategies.grid import GridSearch

from raynas import ConfigError, History, Proposal, Sample, SearchSpace, Strategy
from raynas.search_space import Categorical, Domain
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape, troubled

FINITE = ["flat", "conditional", "two samples", "one sample", "no choices"]


class After(Strategy):
    """Tries some samples first, as a search does with `initial_samples`, and then the grid."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples = samples
        self.grid = GridSearch()

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | Proposal | None:
        if len(history) < len(self.samples):
            return self.samples[len(history)]
        return self.grid.ask(space, history, rng)


@pytest.mark.parametrize("name", FINITE)
@pytest.mark.parametrize("workers", [1, 5])
def test_proposes_every_sample_in_order_and_ends(name: str, workers: int) -> None:
    space = spaces()[name]
    history = simulate(GridSearch(), space, troubled, trials=10_000, workers=workers)
    assert [trial.sample for trial in history] == list(space.grid())


@pytest.mark.parametrize("first", [[47, 20, 0], [0, 1, 2], [5]])
def test_leaves_out_what_was_tried_first(first: list[int]) -> None:
    space = spaces()["flat"]
    samples = list(space.grid())
    history = simulate(After([samples[i] for i in first]), space, landscape, trials=1000)
    rest = [sample for i, sample in enumerate(samples) if i not in first]
    assert [trial.sample for trial in history] == [samples[i] for i in first] + rest


def test_begins_at_once_in_a_space_that_nobody_could_enumerate() -> None:
    space = spaces()["large"]
    history = simulate(GridSearch(), space, landscape, trials=20)
    assert [trial.sample["block11.width"] for trial in history][:10] == [8, 16, 24, 32, 40, 48, 56, 64, 72, 8]


def test_refuses_a_continuous_choice() -> None:
    class Endless(Categorical):
        """A domain of which a test needs to know no more than that it is not finite."""

        def size(self) -> None:  # type: ignore[override]  # what a continuous domain says
            return None

    width: Domain = Categorical("width", candidates=(8, 16))
    space = SearchSpace([width, Endless("rate", candidates=(0.1,))])
    with pytest.raises(
        ConfigError, match=r"cannot enumerate the continuous choice 'rate': give it a list of values, give"
    ):
        GridSearch().ask(space, History.of([], {"score": "max"}), Random(0))
