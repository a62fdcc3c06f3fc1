"""Algorithm 1 of White et al. 2020, step by step."""

from random import Random

import pytest
from raynas_strategies.local_search import LocalSearch, Neighborhood

from raynas import History, Sample, SearchSpace, Trial
from raynas.search_space import Categorical, Uniform
from raynas.testing import simulate, spaces

LINE = SearchSpace([Categorical("x", candidates=tuple(range(5))), Categorical("y", candidates=tuple(range(5)))])


def bowl(trial: Trial) -> float:
    """A landscape with one top, which every walk finds."""
    return -abs(int(str(trial.sample["x"])) - 3) - abs(int(str(trial.sample["y"])) - 1)


def test_neighbours_differ_in_one_choice() -> None:
    around = Neighborhood(LINE, Sample({"x": 2, "y": 2}))
    found = {(sample["x"], sample["y"]) for sample in map(around.__getitem__, range(len(around)))} - {(2, 2)}
    assert found == {(x, 2) for x in (0, 1, 3, 4)} | {(2, y) for y in (0, 1, 3, 4)}


def test_neighbours_of_a_branch_are_always_the_same() -> None:
    space = spaces()["conditional"]
    at = Sample({"op": "pool", "stride": 1})
    first, again = Neighborhood(space, at), Neighborhood(space, at)
    samples = [first[place] for place in range(len(first))]
    assert samples == [again[place] for place in range(len(again))]
    assert all(space.contains(sample) for sample in samples)
    assert {sample["op"] for sample in samples} == {"conv", "pool", "skip"}


def test_a_continuous_choice_has_some_neighbours() -> None:
    space = SearchSpace([Uniform("rate", low=0.0, high=1.0)])
    assert len(Neighborhood(space, space.random(Random(0)))) == 8


def test_all_neighbours_are_tried_before_it_moves_to_the_best() -> None:
    history = simulate(LocalSearch(first_better=False), LINE, bowl, trials=25)
    trials = history.trials
    assert trials[0].note == {"walk": 0}
    first = [trial for trial in trials if trial.note.get("center") == 0]
    assert len(first) == 8
    assert [trial.number for trial in first] == list(range(1, 9))
    best = max(trials[:9], key=history.score)
    assert best.number, "the start is not the top"
    assert trials[9].note["center"] == best.number
    for trial in trials[1:]:
        if "center" in trial.note:
            center = history[trial.note["center"]].sample
            assert sum(center[label] != trial.sample[label] for label in center) == 1


def test_centers_only_get_better_within_a_walk() -> None:
    history = simulate(
        LocalSearch(first_better=False),
        spaces()["large"],
        lambda t: float(sum(map(int, map(str, t.sample.values())))),
        400,
    )
    scores: list[float] = []
    for trial in history:
        if "walk" in trial.note:
            scores = []
        else:
            scores.append(history.score(history[trial.note["center"]]))
            assert scores == sorted(scores)


def test_a_local_top_is_followed_by_another_start() -> None:
    history = simulate(LocalSearch(first_better=False), LINE, bowl, trials=25)
    assert len(history) == 25, "all there is"
    assert sum("walk" in trial.note for trial in history) >= 2


def test_first_better_moves_sooner() -> None:
    space = spaces()["large"]

    def height(trial: Trial) -> float:
        return float(sum(map(int, map(str, trial.sample.values()))))

    def reached(strategy: LocalSearch) -> float:
        histories = [simulate(strategy, space, height, trials=150, seed=seed) for seed in range(5)]
        return sum(history.best.metrics["score"] for history in histories if history.best)

    assert reached(LocalSearch()) > reached(LocalSearch(first_better=False))


def test_a_free_worker_starts_elsewhere_rather_than_wait() -> None:
    history = simulate(LocalSearch(first_better=False), LINE, bowl, trials=20, workers=12)
    assert len([trial for trial in history if trial.note == {"walk": 0}]) >= 12


def test_initial_samples_are_where_it_begins() -> None:
    start = simulate(LocalSearch(first_better=False), LINE, bowl, trials=3)
    history = History.of([*start.trials[:1]], {"score": "max"})
    proposal = LocalSearch(first_better=False).ask(LINE, history, Random(0))
    assert proposal is not None and proposal.note["center"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_the_top_of_a_bowl_is_found(seed: int) -> None:
    history = simulate(LocalSearch(first_better=False), LINE, bowl, trials=18, seed=seed)
    assert history.best is not None and history.best.metrics["score"] == 0
