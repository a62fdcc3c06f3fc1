"""`raynas try`: one candidate, all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import Raynas

from raynas.pytorch import load_module

DIGITS = Path(__file__).parents[2] / "configs" / "digits.yaml"


def test_a_function_is_judged_whole(raynas: Raynas) -> None:
    said = raynas("try", "tiny.yaml")
    assert said.status == 0
    assert said.out.startswith("width=1 act=relu bias=True\n")
    source = said.out[said.out.index("import torch") if "import torch" in said.out else said.out.index("from torch") :]
    assert "class Model" in source
    assert "no example inputs" in said.out
    assert re.search(r"the whole training: \d+\.\d\d s", said.out)
    assert re.search(r"then: score \d\.\d{4}, parameters \d+", said.out)
    assert re.search(r"6 trials on \d+ workers of this machine take \d", said.out)
    assert not Path("runs").exists()


def test_shapes_gradients_and_an_epoch(raynas: Raynas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(DIGITS.parents[1])
    said = raynas("try", DIGITS)
    assert said.status == 0, said.err
    assert "Layers, from 64×1×8×8" in said.out
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if line.strip()}
    assert rows["stem"] == ["Conv2d", "64×8×8×8", "80"]
    assert rows["blocks.0.norm"] == ["BatchNorm2d", "64×8×8×8", "16"]
    assert rows["head"] == ["Linear", "64×10", "90"]
    assert re.search(r"one batch: forward \d+\.\d ms, backward \d+\.\d ms", said.out)
    assert "no gradient" not in said.out
    assert re.search(r"one epoch: \d+\.\d\d s, 8 of them: \d+\.\d s", said.out)
    assert "val_accuracy 0." in said.out
    assert "40 trials on" in said.out
    source = said.out[said.out.index("import torch") : said.out.index("Layers, from")]
    assert sum(p.numel() for p in load_module(source).parameters()) == 762
    assert "762 parameters" in said.out


def test_a_sample_can_be_drawn_or_given(raynas: Raynas) -> None:
    drawn = [raynas("try", "tiny.yaml", "--sample", "random", "--seed", seed).out.split("\n")[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    said = raynas("try", "tiny.yaml", "--sample", "{width: 5, act: tanh}")
    assert said.out.startswith("width=5 act=tanh bias=")
    assert "nn.Tanh()" in said.out


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("nothing", "--sample is 'nothing'"),
        ("{", "--sample is '{': write default, random, or"),
        ("{width: 99}", "--sample sets 'width' to 99"),
        ("{wide: 9}", "there is no choice 'wide'"),
    ],
)
def test_a_sample_that_is_none_is_an_error(raynas: Raynas, sample: str, words: str) -> None:
    assert words in raynas("try", "tiny.yaml", "--sample", sample).error


def test_a_candidate_that_fails_shows_where(raynas: Raynas) -> None:
    said = raynas("try", "tiny.yaml", "--evaluator.fn", "tiny.always_fail")
    assert said.status == 2
    assert "error: the candidate fails with KeyError: 'x'\n" in said.err
    assert 'raise KeyError("x")' in said.err
    assert said.err.count("Traceback") == 1


def test_a_candidate_that_exits_is_told_too(raynas: Raynas) -> None:
    Path("leaves.py").write_text("def judge(model):\n    raise SystemExit(3)\n")
    said = raynas("try", "tiny.yaml", "--evaluator.fn", "leaves.judge")
    assert said.status == 2
    assert "error: the candidate fails with SystemExit: 3\n" in said.err


def test_layers_that_do_not_fit_fail_in_the_generated_text(raynas: Raynas) -> None:
    said = raynas("try", "tiny.yaml", "--space", "bad_spaces.Mismatched", "--sample", "{width: 3}")
    assert said.status == 2
    assert "class Model" in said.out
    assert "the candidate fails with RuntimeError: mat1 and mat2 shapes cannot be multiplied" in said.err
    assert re.search(r'File "<generated \w+>", line \d+, in forward', said.err)


def test_reports_are_epochs(raynas: Raynas) -> None:
    said = raynas("try", "tiny.yaml", "--evaluator.fn", "tiny.judge_with_reports")
    assert said.status == 0
    assert re.search(r"one epoch: \d+\.\d\d s\n", said.out)
