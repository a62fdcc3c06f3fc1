"""Configurations that somebody has changed: refused in one line that says where, or an experiment."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from spoiling import spoiled

from raynas.config import read, settings
from raynas.config.making import make
from raynas.errors import RaynasError

DIGITS = yaml.safe_load((Path(__file__).parents[2] / "configs" / "digits.yaml").read_text())
MORE = {
    **DIGITS,
    "objective": {"val_accuracy": "max", "params": "min"},
    "stopper": {"class_path": "median", "init_args": {}},
    "constraints": {"params": "<=500k"},
    "initial_samples": [{"width": 8}],
    "replicates": 2,
    "dedup": True,
    "keep_weights": 2,
    "max_time": 100,
    "trial_timeout": 5.0,
    "max_concurrent": 2,
    "name": "changed",
    "engine": "local",
}
VALUES: list[Any] = [
    *("examples.digits", "torch.nn.ReLU", "raynas.ValueChoice", "asha", "val_loss", "max", "<=1"),
    *({"class_path": 1}, {"class_path": "raynas.ValueChoice"}, {"class_path": "builtins.exec", "init_args": {"x": 1}}),
    {"class_path": "raynas.ValueChoice", "init_args": {"candidates": [1, 2]}},
    {"class_path": "examples.digits.train_set", "init_args": {"q": 1}},
]


@hypothesis(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_a_configuration_that_was_changed_is_refused_in_one_line_or_makes_an_experiment(
    seed: int, tmp_path: Path
) -> None:
    rng, file = Random(seed), tmp_path / "changed.yaml"
    file.write_text(yaml.safe_dump(spoiled(rng.choice([DIGITS, MORE]), rng, VALUES)))
    try:
        make(settings(read(str(file))))
    except RaynasError as error:
        assert str(error).isprintable()
