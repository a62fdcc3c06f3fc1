"""ASHA, Hyperband and BOHB: who is promoted, when, to what budget, and from which weights."""

from collections import Counter
from typing import Any

import pytest
from raynas_strategies.asha import Asha
from raynas_strategies.bohb import Bohb
from raynas_strategies.hyperband import Hyperband

from raynas import ConfigError, Strategy, Trial, TrialState
from raynas.testing import simulate, spaces
from raynas.testing.strategy_contract import landscape, troubled

SPACE = spaces()["large"]


@pytest.mark.parametrize("strategy", [Asha(1, 9, 3), Hyperband(1, 9, 3), Bohb(1, 9, 3)], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("workers", [1, 7])
def test_a_promotion_goes_on_from_its_own_lower_rung(strategy: Strategy, workers: int) -> None:
    history = simulate(strategy, SPACE, troubled, trials=120, workers=workers)
    promoted = [trial for trial in history if trial.warm_start is not None]
    assert promoted
    for trial in promoted:
        parent = history[trial.warm_start if trial.warm_start is not None else -1]
        assert trial.sample == parent.sample
        assert trial.budget == 3 * (parent.budget or 0)
        assert trial.note["from"] == parent.number
    starts = Counter(trial.warm_start for trial in promoted)
    assert set(starts.values()) == {1}, "nobody is promoted twice"


def test_asha_promotes_the_top_of_each_rung_at_once() -> None:
    """With one worker: each proposal follows from Algorithm 2's get_job on all results before it."""
    history = simulate(Asha(1, 9, 3), SPACE, landscape, trials=90)
    rungs: list[list[Trial]] = [[], [], []]
    gone: set[int] = set()
    for trial in history:
        expected = None
        for k in (1, 0):
            top = sorted(rungs[k], key=lambda t: -history.score(t))[: len(rungs[k]) // 3]
            ready = [t.number for t in top if t.number not in gone]
            if ready:
                expected = ready[0]
                break
        assert trial.warm_start == expected
        if expected is not None:
            gone.add(expected)
        rungs[trial.note["rung"]].append(trial)
    assert all(rungs)


def test_asha_leaves_out_the_lowest_budgets() -> None:
    history = simulate(Asha(1, 27, 3, early_stopping_rate=1), SPACE, landscape, trials=60)
    assert {trial.budget for trial in history} == {3, 9, 27}


def test_asha_keeps_few_weights() -> None:
    history = simulate(Asha(1, 9, 3), SPACE, landscape, trials=2000, workers=8)
    promoted = {trial.warm_start for trial in history}
    kept = set(Asha(1, 9, 3).parents(history))
    assert not kept & promoted
    assert len(kept) < 250


def test_hyperband_runs_the_brackets_of_table_1() -> None:
    """R = 81, η = 3: n_i and r_i as the paper's table gives them."""
    history = simulate(Hyperband(1, 81, 3), SPACE, landscape, trials=206)
    counts = Counter((trial.note["bracket"], trial.note["rung"], trial.budget) for trial in history)
    table = [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]
    assert counts == {(b, i, r): n for b, bracket in enumerate(table) for i, (n, r) in enumerate(bracket)}


def test_hyperband_keeps_the_best_of_a_rung() -> None:
    history = simulate(Hyperband(1, 9, 3), SPACE, landscape, trials=13, workers=1)
    first = [trial for trial in history if trial.note == {"bracket": 0, "rung": 0}]
    best = sorted(first, key=lambda trial: -history.score(trial))[:3]
    second = [trial for trial in history if trial.note["bracket"] == 0 and trial.note["rung"] == 1]
    assert [trial.warm_start for trial in second] == [trial.number for trial in best]


def test_hyperband_begins_the_next_bracket_while_a_rung_ends() -> None:
    history = simulate(Hyperband(1, 9, 3), SPACE, landscape, trials=40, workers=12)
    assert [trial.note["bracket"] for trial in history][:12] == [0] * 9 + [1] * 3


def test_a_failed_trial_is_not_promoted() -> None:
    for strategy in (Asha(), Hyperband()):
        history = simulate(strategy, SPACE, troubled, trials=100, workers=3)
        starts = [history[trial.warm_start] for trial in history if trial.warm_start is not None]
        assert starts
        assert all(trial.state is TrialState.FINISHED for trial in starts)


def test_bohb_draws_from_a_model_when_there_is_enough_to_see() -> None:
    def best(strategy: Strategy) -> float:
        histories = [simulate(strategy, SPACE, landscape, trials=90, seed=seed) for seed in range(3)]
        return sum(history.best.metrics["score"] for history in histories if history.best is not None)

    assert best(Bohb(1, 9, 3, random_fraction=0.1)) > best(Hyperband(1, 9, 3))


@pytest.mark.parametrize("cls", [Asha, Hyperband, Bohb])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_budget": 9, "max_budget": 9}, "cannot raise a budget from 9 to 9 by a factor of 3: make max_budget"),
        ({"min_budget": 9, "max_budget": 1}, "cannot raise a budget from 9 to 1"),
        ({"min_budget": 0}, "min_budget=0: give it a number above 0"),
        ({"max_budget": float("inf")}, "max_budget=inf"),
        ({"reduction_factor": 1}, "reduction_factor=1: give it a whole number from 2"),
        ({"reduction_factor": 2.5}, "reduction_factor=2.5"),
    ],
)
def test_budgets_that_do_not_increase_are_refused(cls: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cls(**given)


def test_asha_needs_two_rungs() -> None:
    with pytest.raises(ConfigError, match="leaves out 2 of 3 budgets"):
        Asha(1, 9, 3, early_stopping_rate=2)
