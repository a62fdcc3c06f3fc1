from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raynas import ConfigError, History, Proposal, Sample, SearchSpace, Strategy
from raynas.errors import GraphError, PluginError, SearchError
from raynas.search.examining import Designs, digest
from raynas.search.planned import Planned
from raynas.search.planner import Planner, keeps_parents, training_seed
from raynas.search.planning import ThreadPlanner
from raynas.search_space import Categorical
from raynas.trial import Trial, TrialKey, TrialState

SPACE = SearchSpace([Categorical("x", candidates=tuple(range(100)))])
EMPTY = History.of([], {"score": "max"})


class Text:
    """A candidate whose network is its number modulo ten."""

    made = 0

    def __init__(self, number: int) -> None:
        if number == 99:
            raise GraphError("99 cannot be")
        self.number = number % 10

    def fingerprint(self) -> str:
        return f"f{self.number}"

    def source(self) -> str:
        Text.made += 1
        return f"source {self.number}"


DESIGNS = Designs(SPACE, lambda s: Text(int(s["x"])), lambda s: f"evaluator {int(s['x']) % 2}", "code")  # type: ignore[call-overload]  # a number


class Given(Strategy):
    """Answers what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, space: SearchSpace, history: History, rng: Random) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(rng) if callable(self.answer) else self.answer


class Keeping(Given):
    def parents(self, history: History) -> Collection[int]:
        return [trial.number for trial in history.ended]


def planner(answer: Any, kind: Callable[[Any], Strategy] = Given, **changes: Any) -> Planner:
    return Planner(kind(answer), DESIGNS, changes.pop("seed", 0), **changes)


def test_a_sample_becomes_a_key_and_a_source() -> None:
    plan = planner(Proposal(Sample({"x": 13}), budget=4.0, note={"bracket": 1})).plan(5, EMPTY)
    assert (plan.number, plan.source, plan.note, plan.error) == (5, "source 3", {"bracket": 1}, None)
    assert plan.key == TrialKey("f3", digest("evaluator 1"), "code", 4.0)


def test_nothing_now_is_passed_on() -> None:
    plan = planner(None).plan(0, EMPTY)
    assert plan.sample is None and plan.error is None


@given(seed=st.integers(0, 5), number=st.integers(0, 5))
def test_random_numbers_follow_from_seed_and_number(seed: int, number: int) -> None:
    def drawn(s: int, n: int) -> Planned:
        return planner(lambda rng: Sample({"x": rng.randrange(99)}), seed=s).plan(n, EMPTY)

    assert drawn(seed, number) == drawn(seed, number)
    assert len({drawn(s, n).sample for s in range(6) for n in range(6)}) > 20


def test_the_first_samples_come_before_the_strategy_is_asked() -> None:
    asked = planner(Sample({"x": 50}), first=[Sample({"x": 1}), Sample({"x": 2})], replicates=2)
    assert [asked.plan(n, EMPTY).sample["x"] for n in (0, 2, 4)] == [1, 2, 50]  # type: ignore[index]  # there is one


def test_a_source_is_generated_once_for_equal_networks() -> None:
    one = planner(lambda rng: Sample({"x": 10 * rng.randrange(9)}))
    before = Text.made
    assert {one.plan(n, EMPTY).source for n in range(10)} == {"source 0"}
    assert Text.made == before + 1


def test_a_sample_whose_graph_does_not_hold_together_is_rejected() -> None:
    plan = planner(Sample({"x": 99})).plan(0, EMPTY)
    assert plan.rejected == "99 cannot be" and plan.error is None and plan.source is None
    assert plan.key is not None and plan.key.fingerprint.startswith("sample:")


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (ValueError("oops"), PluginError, "strategy Given failed on proposal 3: ValueError: oops"),
        (ConfigError("population too large"), ConfigError, "population too large"),
        ({"x": 1}, PluginError, "Given"),
        (Sample({"x": 1000}), PluginError, "'x'"),
        (Sample({"y": 1}), PluginError, "'y'"),
        (Proposal(Sample({"x": 1}), warm_start=0), PluginError, "start from trial 0"),
    ],
)
def test_what_a_strategy_does_wrong_is_an_error_that_names_it(answer: Any, kind: type[Exception], message: str) -> None:
    plan = planner(answer).plan(3, EMPTY)
    assert isinstance(plan.error, kind) and message in str(plan.error) and "Traceback" in plan.detail


def test_a_warm_start_needs_parents_that_keep_the_weights() -> None:
    ended = Trial(0, Sample({"x": 1}), TrialKey("f1"), TrialState.FINISHED, metrics={"score": 1.0}, order=0)
    shares = Trial(1, Sample({"x": 11}), TrialKey("f1"), TrialState.FINISHED, metrics={"score": 1.0}, order=1, twin=0)
    history = History.of([ended, shares], {"score": "max"})
    proposal = Proposal(Sample({"x": 2}), warm_start=1)
    assert "parents()" in str(planner(proposal).plan(2, history).error)
    plan = planner(proposal, Keeping).plan(2, history)
    assert plan.error is None and plan.key is not None and plan.key.warm_start == 0, "the twin's weights are trial 0's"
    assert plan.parents == {0} and plan.seen == 2


def test_whoever_overrides_parents_keeps_weights() -> None:
    assert not keeps_parents(Given(None)) and keeps_parents(Keeping(None))


def test_a_bug_anywhere_is_an_error_of_the_search() -> None:
    def broken(sample: Sample) -> Text:
        raise ZeroDivisionError("1/0")

    plan = Planner(Given(Sample({"x": 1})), Designs(SPACE, broken, str), 0).plan(0, EMPTY)
    assert isinstance(plan.error, SearchError) and "ZeroDivisionError" in str(plan.error)


def test_training_seeds_follow_from_seed_network_and_replicate() -> None:
    keys = [TrialKey(f"f{i}", replicate=r) for i in range(10) for r in range(3)]
    seeds = {training_seed(s, key) for s in range(3) for key in keys}
    assert len(seeds) == 90 and all(0 <= seed < 2**32 for seed in seeds)
    assert training_seed(1, TrialKey("f", "one evaluator")) == training_seed(1, TrialKey("f", "another"))


def test_a_planner_in_a_thread_answers_in_order() -> None:
    heard: list[Planned] = []
    done = threading.Event()

    def deliver(plan: Planned) -> None:
        heard.append(plan)
        if len(heard) == 3:
            done.set()

    threaded = ThreadPlanner(planner(Sample({"x": 1})), deliver)
    for number in range(3):
        threaded.ask(number, EMPTY, 1)
    assert done.wait(10)
    threaded.close()
    assert [plan.number for plan in heard] == [0, 1, 2]
