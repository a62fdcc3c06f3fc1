"""What breaks a constraint or cannot run is told, and never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raynas import Experiment, FunctionalEvaluator, LayerChoice, ModelSpace, ValueChoice
from raynas.errors import ConfigError, SearchError
from raynas.trial import TrialState


class Net(ModelSpace):
    """Of three heads, one does not fit the widest trunk."""

    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([8, 4, 16], label="width")
        self.trunk = nn.Linear(6, width)
        self.head = LayerChoice({"fits": nn.Linear(width, 2), "needs 8": nn.Linear(8, 2)}, label="head")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.trunk(x)))


TRAINED: list[int] = []
EXAMPLE = (torch.zeros(5, 6),)


def size(model: nn.Module) -> float:
    TRAINED.append(sum(p.numel() for p in model.parameters()))
    return float(TRAINED[-1])


def small_output(profile: Any) -> str | bool:
    return True if profile.params < 150 else f"{profile.params} parameters are too many for a test"


def search(tmp_path: Path, constraints: Any, example: Any = EXAMPLE) -> Any:
    TRAINED.clear()
    evaluator = FunctionalEvaluator(size, example_inputs=example)
    return Experiment(
        Net(),
        evaluator,
        "grid",
        objective="value",
        name="x",
        storage_path=tmp_path,
        engine="local",
        constraints=constraints,
    ).run()


def test_a_search_in_which_nothing_can_be_trained_says_why(tmp_path: Path) -> None:
    result = search(tmp_path, {"params": "<=1"})
    with pytest.raises(
        SearchError, match=r"'x' has no result: 6 samples could not be trained, \d of them because .*<=1"
    ):
        _ = result.best


def test_candidates_over_the_limit_are_rejected_and_told_why(tmp_path: Path) -> None:
    result = search(tmp_path, {"params": "<=100"})
    rejected = {t.sample["width"]: t.message for t in result.history if _unfit(t) and t.sample["head"] == "fits"}
    assert max(TRAINED) <= 100
    assert rejected[16] == "params is 146, not <=100"


def test_candidates_that_cannot_run_are_found_with_the_choices_and_the_line(tmp_path: Path) -> None:
    result = search(tmp_path, None)
    told = [t for t in result.history if t.state is TrialState.INFEASIBLE]
    assert {(t.sample["width"], t.sample["head"]) for t in told} == {(4, "needs 8"), (16, "needs 8")}
    assert all("self.head(" in t.message and "head='needs 8'" in t.message for t in told)
    assert len(TRAINED) == 4 - 1  # the fitting 8 is the same network under both heads


def test_a_function_of_the_profile_is_a_constraint(tmp_path: Path) -> None:
    result = search(tmp_path, {"small": small_output})
    told = [t.message for t in result.history if t.state is TrialState.INFEASIBLE and t.sample["head"] == "fits"]
    assert told == []
    assert max(TRAINED) == 146
    search(tmp_path / "other", {"never": _never})
    assert TRAINED == []


def _unfit(trial: Any) -> bool:
    return trial.state is TrialState.INFEASIBLE


def _never(profile: Any) -> bool:
    return False


@pytest.mark.parametrize(
    ("constraints", "example", "message"),
    [
        (
            {"parms": "<=1"},
            (torch.zeros(5, 6),),
            "constraint 'parms' bounds no number of a profile: did you mean 'params'",
        ),
        ({"params": "small"}, (torch.zeros(5, 6),), "constraint 'params' is 'small', which is no bound"),
        ({"params": "<=1"}, None, "constraints on params need an example of the data"),
    ],
)
def test_bad_constraints_are_refused_before_anything_starts(
    tmp_path: Path, constraints: Any, example: Any, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        search(tmp_path, constraints, example)
    assert message in str(caught.value)
    assert not (tmp_path / "x").exists()


def _misspelt(profile: Any) -> bool:
    return bool(profile.parameters < 150)


def test_a_function_that_fails_ends_the_search(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"constraint 'small' failed for Profile.*AttributeError: .*'parameters'"):
        search(tmp_path, {"small": _misspelt})
    assert TRAINED == []
