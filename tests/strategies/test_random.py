from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from raynas_strategies.random import RandomSearch

from raynas import History, Sample, SearchSpace
from raynas.search_space import Categorical, Condition, Domain, Value
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape

NONE_YET = History.of([], {"score": "max"})


class Anywhere(Domain):
    """A number between 0 and 1: a continuous domain."""

    @property
    def default(self) -> Value:
        return 0.5

    def random(self, rng: Random) -> Value:
        return rng.random()

    def other(self, value: Value, rng: Random) -> Value:
        return rng.random()

    def contains(self, value: object) -> bool:
        return isinstance(value, float) and 0 <= value <= 1

    def values(self) -> Iterator[Value]:
        raise NotImplementedError

    def size(self) -> None:
        return None

    def to_json(self) -> dict[str, Any]:
        return {"kind": "anywhere", "label": self.label}

    def __str__(self) -> str:
        return "a number from 0 to 1"


@pytest.mark.parametrize("name", ["flat", "conditional", "two samples", "one sample", "no choices"])
@pytest.mark.parametrize("workers", [1, 4])
def test_proposes_each_sample_once_and_ends(name: str, workers: int) -> None:
    space = spaces()[name]
    history = simulate(RandomSearch(), space, landscape, trials=10_000, workers=workers)
    assert sorted(trial.sample.to_json() for trial in history) == sorted(map(Sample.to_json, space.grid()))


def test_a_corner_that_is_hardly_ever_drawn_is_found() -> None:
    """One draw in 4,096 gets to the last label, below which most of the samples lie."""
    domains: list[Domain] = []
    when: tuple[tuple[Condition, ...], ...] = ()
    for i in range(6):
        domains.append(Categorical(f"gate{i}", when, candidates=("out", "out too", "far out", "in")))
        when = ((Condition(f"gate{i}", ("in",)),),)
    space = SearchSpace([*domains, Categorical("inside", when, candidates=tuple(range(100)))])
    history = simulate(RandomSearch(), space, landscape, trials=10_000)
    assert len(history) == space.size() == 118


def test_draws_every_choice_uniformly() -> None:
    space = spaces()["large"]
    strategy = RandomSearch()
    counts = Counter(
        (label, value)
        for seed in range(900)
        for label, value in dict(strategy.ask(space, NONE_YET, Random(seed)) or {}).items()
    )
    assert len(counts) == 12 * 9
    # A hundred of each are expected; four standard deviations are 38.
    assert all(60 < count < 140 for count in counts.values())


def test_a_continuous_space_never_ends() -> None:
    space = SearchSpace([Anywhere("rate"), Categorical("width", candidates=(8, 16))])
    history = simulate(RandomSearch(), space, lambda trial: 0.0, trials=200, workers=3)
    assert history.distinct == 200
