from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raynas.engine import artifacts
from raynas.engine.checkpoint import FileCheckpoint, left_by, load_state, state_path
from raynas.engine.weights import save_weights
from raynas.errors import EvaluationError, StoreError


def test_what_was_saved_last_comes_back_in_another_attempt(tmp_path: Path) -> None:
    assert FileCheckpoint(str(tmp_path), "states/0.pt").restore() is None
    first = FileCheckpoint(str(tmp_path), "states/0.pt")
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    first.save({"epoch": 1})
    first.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 2, "best": float("inf")})
    with torch.no_grad():
        model.weight.zero_()
    state = FileCheckpoint(str(tmp_path), "states/0.pt").restore()
    assert state is not None and state["epoch"] == 2 and state["best"] == float("inf")
    assert isinstance(state["model"], OrderedDict) and state["model"]["weight"].abs().sum() > 0, "a copy was kept"
    again = torch.optim.Adam(model.parameters())
    again.load_state_dict(state["optimizer"])
    assert torch.equal(again.state[model.weight]["exp_avg"], optimizer.state[model.weight]["exp_avg"])
    assert artifacts.names(str(tmp_path), "states") == ["states/0.pt"]


class Thing:
    """No plain data."""


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"thing": Thing()}, r"holds a .*Thing, which is no plain data: save tensors"),
        ({"path": Path()}, "which is no plain data"),
        ({"f": lambda: None}, "cannot be written"),
        ([1], "was given a list: save a dict"),
    ],
)
def test_what_could_run_when_it_is_read_is_refused_when_it_is_saved(state: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=message) as caught:
        FileCheckpoint(str(tmp_path), "states/0.pt").save(state)
    assert "\n" not in str(caught.value)
    assert artifacts.names(str(tmp_path), "states") == []


class Shell:
    def __reduce__(self) -> Any:
        return print, ("it ran",)


def test_a_file_that_somebody_put_there_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Shell()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Shell(), protocol=2))
    (tmp_path / "c.pt").write_bytes(b"")
    torch.save([1], tmp_path / "d.pt")
    for name in "abcd":
        with pytest.raises(StoreError, match="cannot be read") as caught:
            load_state(str(tmp_path), f"{name}.pt")
        assert "\n" not in str(caught.value)
    assert not capsys.readouterr().out


def test_a_trial_leaves_its_state_or_else_its_weights(tmp_path: Path) -> None:
    model, uri = nn.Linear(2, 1), str(tmp_path)
    save_weights(model, uri, "weights/3.safetensors")
    for state in (None, state_path(3)):
        left = left_by(uri, "weights/3.safetensors", state)
        assert left.keys() == {"model"} and torch.equal(left["model"]["weight"], model.weight)
    FileCheckpoint(uri, state_path(3)).save({"epoch": 7})
    assert left_by(uri, "weights/3.safetensors", state_path(3)) == {"epoch": 7}
