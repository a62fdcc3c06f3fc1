"""Large data of an evaluator: a file among the artifacts, mapped and not read; and an object that all workers share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from torch import nn

from raynas import Experiment, FunctionalEvaluator, ModelSpace, ValueChoice
from raynas.errors import StoreError
from raynas.experiment.luggage import put_away, taken_out
from raynas.store import Store


def test_large_pieces_are_files_and_a_changed_one_is_refused(tmp_path: Path) -> None:
    pieces = {"small": b"abc", "large": memoryview(numpy.arange(200_000.0)).cast("B")}
    folder = str(tmp_path / "artifacts")
    kept = put_away(pieces, folder)
    assert kept["small"] == b"abc"
    assert len(kept["large"]) < 100
    (file,) = (tmp_path / "artifacts" / "data").iterdir()
    written = file.stat().st_mtime_ns
    assert put_away(pieces, folder) == kept
    assert file.stat().st_mtime_ns == written, "what is there already is not written again"
    with Store.create(tmp_path / "x.db", {}, "x", kept) as store:
        found = taken_out(store, ("small", "large"), folder)
        assert bytes(found["large"]) == bytes(pieces["large"])
        data = bytearray(file.read_bytes())
        data[7] ^= 1
        del found
        file.write_bytes(data)
        with pytest.raises(StoreError, match="has changed since it was written"):
            taken_out(store, ("large",), folder)


class Space(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, ValueChoice([1, 2, 3, 4, 5, 6], label="width"))

    def forward(self, x: Any) -> Any:
        return self.layer(x)


def read(model: Any, data: Any, rate: float) -> dict[str, float]:
    total = float(data["x"].sum())
    writeable = bool(data["x"].flags.writeable)
    return {"value": total, "writeable": writeable, "process": os.getpid(), "place": data["x"].ctypes.data}


@pytest.mark.ray
def test_a_large_array_is_mapped_by_all_workers_also_when_the_run_goes_on(tmp_path: Path) -> None:
    numbers = numpy.arange(300_000.0)

    def run(trials: int) -> Any:
        evaluator = FunctionalEvaluator(read, data={"x": numbers}, rate=ValueChoice([0.1, 0.2], label="rate"))
        return Experiment(
            Space(), evaluator, "random", objective="value", max_trials=trials, name="x", storage_path=tmp_path
        ).run()

    assert len([trial for trial in run(3).trials if trial.metrics]) == 3
    trials = [trial for trial in run(6).trials if trial.metrics]
    assert len(trials) == 6
    assert all(trial.metrics["value"] == numbers.sum() and not trial.metrics["writeable"] for trial in trials)
    assert len(list((tmp_path / "x" / "artifacts" / "data").iterdir())) == 1
