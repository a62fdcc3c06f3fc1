"""The page: Markdown that says what the run is."""

from __future__ import annotations

from pathlib import Path

import tiny

from raynas import Experiment, FunctionalEvaluator
from raynas.report import Table, page
from raynas.report.page import markdown


def test_a_page_holds_definition_tables_and_source(tmp_path: Path) -> None:
    evaluator = FunctionalEvaluator(tiny.judge_or_fail)
    result = Experiment(
        tiny.Tiny(), evaluator, "grid", objective="score", max_trials=8, name="p", storage_path=tmp_path, engine="local"
    ).run()
    text = page(result)
    assert text.startswith(
        "# p\n\n- objective: score (max)\n- space: 3 choices, 64 samples\n- strategy: grid, seed 0\n"
    )
    assert "- all of its 8 trials have ended\n" in text
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    number = result.best.number
    assert titles == [
        "The best 6",
        "Trials",
        "Failures",
        "How the best came about",
        "Choices",
        f"The best trial's source ({number})",
    ]
    assert "| 2 | 2 | exception | ArithmeticError: no tanh, please |" in text
    assert text.endswith(f"```python\n{result.best.source.rstrip()}\n```\n")


def test_cells_stay_in_their_cells() -> None:
    table = Table("T", ("a", "b"), (("x|y", "one\ntwo"),), "Note.")
    assert markdown(table) == ["## T", "", "| a | b |", "|---|---|", "| x\\|y | one two |", "", "Note."]
