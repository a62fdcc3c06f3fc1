"""The examples search, and find something that is better than guessing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples import diabetes, lightning_module, text
from raynas import Evaluator, Experiment, ModelSpace, Result

Case = tuple[Callable[[], ModelSpace], Evaluator, Any, float]


def cases() -> list[Any]:
    return [
        pytest.param(diabetes.Tabular, diabetes.evaluator(6), {"best_val_loss": "min"}, 0.75, id="diabetes"),
        pytest.param(text.Classifier, text.evaluator(4), "val_accuracy", 0.85, id="text"),
        pytest.param(lightning_module.Curves, lightning_module.evaluator(12), "val_acc", 0.7, id="own module"),
    ]


@pytest.mark.parametrize(("space", "evaluator", "objective", "enough"), cases())
def test_an_example_finds_something(
    space: Any, evaluator: Evaluator, objective: Any, enough: float, tmp_path: Path
) -> None:
    found = Experiment(
        space(), evaluator, "random", objective=objective, max_trials=4, name="x", storage_path=tmp_path, engine="local"
    ).run()
    metric, direction = next(iter(found.definition.objectives.items()))
    best = found.best.metrics[metric]
    assert (best > enough) if direction == "max" else (best < enough), best
    assert Result.open("x", tmp_path).best.metrics == found.best.metrics
    found.best.export(tmp_path / "best.py", train=tmp_path / "train_best.py")
    assert "raynas" not in (tmp_path / "best.py").read_text()
