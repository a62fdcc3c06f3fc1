"""`raynas space` and `raynas strategies`."""

from __future__ import annotations

from command_line import Raynas

from raynas.plugins import registered
from raynas.strategy import Stopper


def test_the_choices_of_model_and_evaluator_are_listed_with_the_size(raynas: Raynas) -> None:
    said = raynas(
        "space", "tiny.yaml", "--evaluator.scale", "{class_path: raynas.ValueChoice, init_args: {candidates: [1, 2]}}"
    )
    assert said.status == 0
    rows = [line.split() for line in said.out.splitlines()]
    assert ["width", *["1,", "2,", "3,", "4,", "5,", "6,", "7,", "8"], "always"] in rows
    assert ["bias", "True,", "False", "always"] in rows
    assert ["scale", "1,", "2", "always"] in rows
    assert "4 choices, 128 samples" in said.out


def test_strategies_are_listed_with_what_they_do(raynas: Raynas) -> None:
    said = raynas("strategies")
    assert said.status == 0
    for item in [*registered(), *registered(Stopper)]:
        assert item.name in said.out
        assert item.doc in " ".join(said.out.split())
    assert {"random", "grid", "regularized_evolution"} <= {item.name for item in registered()}
    assert {"median", "plateau"} <= {item.name for item in registered(Stopper)}
