from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raynas.errors import RunMismatchError, StoreError
from raynas.search.definition import RunDefinition, changes
from raynas.search_space import Categorical, SearchSpace
from raynas.serializer import dumps, serialize


def space(*domains: tuple[str, Any]) -> str:
    return SearchSpace([Categorical(label, candidates=candidates) for label, candidates in domains]).to_json()


BEFORE = RunDefinition(
    space="{}",
    choices=space(("x", (1, 2)), ("y", (1, 2))),
    evaluator=dumps({"epochs": 3, "rate": 0.1}),
    strategy="random",
    arguments=dumps({}),
    objectives={"score": "max"},
    initial_samples=({"x": 1, "y": 2},),
    max_trials=10,
    resources={"num_cpus": 1},
    path=("/here",),
)


def test_it_comes_back_from_the_store_as_it_went() -> None:
    assert RunDefinition.from_store(BEFORE.to_store()) == BEFORE
    assert BEFORE.samples()[0]["y"] == 2


def test_a_key_that_an_older_raynas_did_not_know_has_its_default() -> None:
    texts = BEFORE.to_store()
    known = ("space", "choices", "evaluator", "strategy", "arguments", "objectives")
    first = RunDefinition.from_store({key: texts[key] for key in known})
    assert first == RunDefinition(**{key: getattr(BEFORE, key) for key in known})
    assert changes(first, replace(first, max_trials=3, trial_timeout=9.0), "run").keys() == {
        "max_trials",
        "trial_timeout",
    }
    for key in texts.keys() - known:
        assert getattr(RunDefinition.from_store({k: v for k, v in texts.items() if k != key}), key) == getattr(
            first, key
        )


def test_one_that_is_not_there_or_damaged_is_an_error() -> None:
    texts = BEFORE.to_store()
    with pytest.raises(StoreError, match="the run's definition has no 'strategy': was it written by raynas"):
        RunDefinition.from_store({key: text for key, text in texts.items() if key != "strategy"})
    with pytest.raises(StoreError, match=r"cannot be read .*: restore it from a copy"):
        RunDefinition.from_store({**texts, "seed": "{"})


def test_what_may_change_is_what_is_to_be_written() -> None:
    after = replace(BEFORE, max_trials=20, max_time=5.0, resources={"num_cpus": 2}, path=("/there",), code="new")
    assert set(changes(BEFORE, after, "run")) == {"max_trials", "max_time", "resources", "path", "code"}
    assert changes(BEFORE, BEFORE, "run") == {}


class Called:
    def __init__(self, a: float, b: float = 2.0) -> None:
        self.both = a, b


def test_how_an_argument_was_passed_makes_no_difference() -> None:
    begun = replace(BEFORE, evaluator=dumps(serialize(Called, 1.0, 3.0)))
    for same in (serialize(Called, 1.0, b=3.0), serialize(Called, b=3.0, a=1.0)):
        assert changes(begun, replace(begun, evaluator=dumps(same)), "run") == {}
    with pytest.raises(RunMismatchError, match=r"evaluator\.a: 1\.0 → 4\.0; evaluator\.b: 3\.0 → not given\)"):
        changes(begun, replace(begun, evaluator=dumps(serialize(Called, 4.0))), "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 3}, "seed: 0 → 3"),
        ({"space": "{}", "choices": space(("x", (1, 2)), ("z", (1, 2)))}, "choice 'y' is gone; choice 'z' is new"),
        ({"choices": space(("x", (1, 2, 3)), ("y", (1, 2)))}, "choice 'x' was one of 1, 2 → one of 1, 2, 3"),
        ({"choices": space(("x", (2, 1)), ("y", (1, 2)))}, "choice 'x' was one of 1, 2 → one of 2, 1"),
        ({"space": '{"nodes": 1}'}, "the model itself is another (space.nodes: not given → 1)"),
        ({"evaluator": dumps({"epochs": 4, "rate": 0.1})}, "evaluator.epochs: 3 → 4"),
        ({"arguments": dumps({"size": 4})}, "strategy.size: not given → 4"),
        ({"objectives": {"loss": "min"}}, 'objectives.score: "max" → not given; objectives.loss: not given → "min"'),
        ({"replicates": 2, "dedup": False}, "replicates: 1 → 2; dedup: true → false"),
        ({"initial_samples": ({"x": 2, "y": 2},)}, "initial_samples[0].x: 1 → 2"),
    ],
)
def test_any_other_difference_is_an_error_that_lists_it(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RunMismatchError) as caught:
        changes(BEFORE, replace(BEFORE, max_trials=99, **change), "digits")
    assert str(caught.value).startswith(f"run 'digits' was begun otherwise ({message})")
    assert "max_trials" not in str(caught.value) and "\n" not in str(caught.value)


def test_what_python_takes_for_equal_is_another_thing_all_the_same() -> None:
    begun = replace(BEFORE, objectives={"score": "max", "loss": "min"}, evaluator=dumps({"flag": 1}))
    with pytest.raises(
        RunMismatchError, match=r'\["score", "loss"\] → \["loss", "score"\], of which the first decides'
    ):
        changes(begun, replace(begun, objectives={"loss": "min", "score": "max"}), "run")
    with pytest.raises(RunMismatchError, match=r"evaluator\.flag: 1 → true"):
        changes(begun, replace(begun, evaluator=dumps({"flag": True})), "run")
