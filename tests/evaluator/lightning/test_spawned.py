"""Two processes, one for each of two devices, which are CPUs here."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from raynas.errors import NonFiniteError, TrialStopped
from raynas.evaluator import Context
from raynas.evaluator.lightning import Classification
from raynas.evaluator.lightning.spawned import Relay
from raynas.pytorch.load import load_module

SOURCE = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(288, 10))

    def forward(self, x):
        return self.body(x)
"""

TWO = {"devices": 2, "strategy": "ddp_spawn"}


def candidate() -> torch.nn.Module:
    torch.manual_seed(0)
    return load_module(SOURCE)


@pytest.mark.slow
def test_two_devices_train_one_candidate(
    digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    reports: list[Any] = []

    def send(metrics: Mapping[str, float], step: int) -> bool:
        reports.append((dict(metrics), step))
        return False

    evaluator = Classification(*digits, max_epochs=4, learning_rate=3e-3, trainer=TWO)
    model, context = candidate(), Context(seed=1, budget=2, send=send)
    low = evaluator.evaluate(model, context)
    state = context.checkpoint.restore()
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["model"]["body.0.weight"], model.get_parameter("body.0.weight"))
    high = evaluator.evaluate(candidate(), Context(seed=1, warm_start=state, send=send))
    assert [step for _, step in reports] == [0, 1, 2, 3]
    assert reports[1][0] == low
    assert high == reports[3][0]
    assert high["val_accuracy"] > 0.9
    x, y = digits[1]
    with torch.inference_mode():
        accuracy = (model.eval()(x).argmax(1) == y).double().mean().item()
    assert low["val_accuracy"] == pytest.approx(accuracy, abs=0.01), "the model that is left is the trained one"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

    assert capfd.readouterr() == ("", "")

    straight = evaluator.evaluate(candidate(), Context(seed=1))
    assert straight == high


@pytest.mark.slow
def test_a_stop_reaches_all_of_them(digits: Any) -> None:
    context = Context(seed=1, send=lambda metrics, step: True)
    with pytest.raises(TrialStopped, match="step 0"):
        Classification(*digits, max_epochs=4, trainer=TWO).evaluate(candidate(), context)
    state = context.checkpoint.restore()
    assert state is not None
    assert state["epoch"] == 1


@pytest.mark.slow
def test_an_error_over_there_is_the_same_here(digits: Any) -> None:
    evaluator = Classification(*digits, max_epochs=2, optimizer="SGD", learning_rate=1e30, trainer=TWO)
    with pytest.raises(NonFiniteError, match="_loss'"):
        evaluator.evaluate(candidate(), Context())


def test_the_relay_passes_verdicts_and_errors_on() -> None:
    relay, heard = Relay(), []

    def hear(epoch: int, metrics: Mapping[str, float]) -> None:
        heard.append((epoch, metrics))
        if epoch == 1:
            raise TrialStopped("enough")

    with relay.serving(hear):
        relay(0, {"loss": 1.0})
        with pytest.raises(TrialStopped, match="enough"):
            relay(1, {"loss": 0.5})
        relay.leave({"epoch": 2, "weight": torch.ones(2)})
    assert heard == [(0, {"loss": 1.0}), (1, {"loss": 0.5})]
    assert relay.stopped is not None
    assert relay.checkpoint is not None
    assert relay.checkpoint["epoch"] == 2

    relay = Relay()
    with pytest.raises(ValueError, match="whole"), relay.serving(hear):
        relay.fail(ValueError("whole"))
        raise RuntimeError("only the text")
