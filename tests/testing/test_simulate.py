"""The simulated search is an honest one: numbers, twins, failures and workers as in a real search."""

from random import Random

import pytest

from raynas import History, Proposal, Sample, SearchSpace, Strategy, Trial
from raynas.errors import PluginError
from raynas.search_space import Categorical
from raynas.testing import simulate
from raynas.trial import TrialState

SPACE = SearchSpace([Categorical("x", candidates=tuple(range(10))), Categorical("y", candidates=tuple(range(10)))])


class Draw(Strategy):
    """Random, with replacement; for ever, or for so many proposals."""

    def __init__(self, proposals: int = 10**9) -> None:
        self.proposals = proposals
        self.seen: list[History] = []

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | None:
        self.seen.append(history)
        return space.random(rng) if len(history) < self.proposals else None


def height(trial: Trial) -> float:
    x, y = trial.sample["x"], trial.sample["y"]
    assert isinstance(x, int)
    assert isinstance(y, int)
    return x - y


def test_the_same_seed_is_the_same_search() -> None:
    runs = [list(simulate(Draw(), SPACE, height, trials=30, workers=3, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert [trial.sample for trial in runs[0]] != [trial.sample for trial in runs[2]]


def test_one_worker_has_one_trial_at_a_time() -> None:
    strategy = Draw()
    history = simulate(strategy, SPACE, height, trials=30)
    assert [trial.number for trial in history.ended] == list(range(len(history)))
    assert all(not seen.open for seen in strategy.seen)


def test_many_workers_end_out_of_order() -> None:
    strategy = Draw()
    history = simulate(strategy, SPACE, height, trials=60, workers=7)
    numbers = [trial.number for trial in history.ended]
    assert sorted(numbers) == list(range(len(history)))
    assert numbers != sorted(numbers)
    running = [sum(trial.state is TrialState.RUNNING for trial in seen.open) for seen in strategy.seen]
    assert max(running) == 6, "the seventh worker is the one that is asked for"
    assert any(trial.state is TrialState.WAITING for seen in strategy.seen for trial in seen.open)
    assert not history.open


def test_it_trains_as_often_as_it_is_told() -> None:
    calls: list[Sample] = []

    def counted(trial: Trial) -> float:
        calls.append(trial.sample)
        return height(trial)

    history = simulate(Draw(), SPACE, counted, trials=50, workers=4)
    assert len(calls) == 50
    assert len(set(calls)) == 50, "what has been tried is not trained again"
    assert sum(trial.trained for trial in history) == 50
    for trial in history:
        if trial.twin is not None:
            assert trial.metrics == history[trial.twin].metrics
            assert trial.sample == history[trial.twin].sample


def test_fingerprints_make_twins() -> None:
    history = simulate(Draw(200), SPACE, height, trials=99, fingerprint=lambda sample: str(sample["x"]))
    assert len(history) == 200
    assert sum(trial.trained for trial in history) == 10


def test_failures_and_infeasible_samples() -> None:
    def hostile(trial: Trial) -> float | None:
        if trial.sample["x"] == 0:
            raise RuntimeError("zero")
        return None if trial.sample["x"] == 1 else height(trial)

    history = simulate(Draw(300), SPACE, hostile, trials=1000, workers=2)
    for trial in history:
        expected = {0: TrialState.FAILED, 1: TrialState.INFEASIBLE}.get(
            int(str(trial.sample["x"])), TrialState.FINISHED
        )
        assert trial.state is expected
    assert {trial.message for trial in history if trial.state is TrialState.FAILED} == {"RuntimeError: zero"}


def test_none_means_not_now() -> None:
    class OneAtATime(Draw):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample | None:
            answer = super().ask(space, history, rng)
            return None if history.open else answer

    history = simulate(OneAtATime(20), SPACE, height, trials=100, workers=5)
    assert len(history) == 20
    assert [trial.number for trial in history.ended] == list(range(20))


def test_a_thousand_proposals_for_nothing_end_it() -> None:
    history = simulate(Draw(), SearchSpace([Categorical("x", candidates=(1, 2))]), lambda trial: 0.0, trials=10)
    assert 1000 < len(history) <= 1010


def test_a_strategy_that_ends_by_itself_is_let_alone() -> None:
    class Patient(Draw):
        ends_by_itself = True

    history = simulate(Patient(1500), SearchSpace([Categorical("x", candidates=(1, 2))]), lambda trial: 0.0, trials=10)
    assert len(history) == 1500


def test_budget_warm_start_and_note_arrive() -> None:
    class Promoting(Strategy):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Proposal:
            parent = history.best
            if parent is None:
                return Proposal(space.default(), budget=1)
            return Proposal(parent.sample, 2 * (parent.budget or 0), parent.number, {"rung": len(history)})

    history = simulate(Promoting(), SPACE, lambda trial: trial.budget, trials=4)
    assert [trial.budget for trial in history] == [1, 2, 4, 8]
    assert [trial.warm_start for trial in history] == [None, 0, 1, 2]
    assert [trial.note.get("rung") for trial in history] == [None, 1, 2, 3]
    assert all(trial.trained for trial in history), "another budget is another training"


def test_several_objectives() -> None:
    history = simulate(
        Draw(),
        SPACE,
        lambda trial: {"error": height(trial), "size": 1.0},
        40,
        objectives={"error": "min", "size": "min"},
    )
    assert history.best is not None
    assert history.best.metrics["error"] == min(trial.metrics["error"] for trial in history)


def test_a_breach_of_the_contract_is_named() -> None:
    class Wrong(Strategy):
        def ask(self, space: SearchSpace, history: History, rng: Random) -> Sample:
            return Sample({"x": 1})

    with pytest.raises(
        PluginError, match=r"strategy Wrong proposed what is not a sample of the space: .*leaves out 'y'"
    ):
        simulate(Wrong(), SPACE, height, trials=1)
