import subprocess
import sys

import pytest
import torch
from torch import nn

from raynas.errors import ConfigError
from raynas.evaluator.lightning.checks import recipe_of
from raynas.evaluator.lightning.recipe import cosine, one_cycle


def test_schedules_are_torchs() -> None:
    steps = 40
    for ours, make in (
        (cosine, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)),
        (one_cycle, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=steps + 1)),
    ):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)
        scheduler = make(optimizer)
        # OneCycleLR peaks one step before `pct_start` of its steps.
        tolerance = 0.012 if ours is one_cycle else 1e-6
        for step in range(steps):
            assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * ours(step / steps), abs=tolerance)
            optimizer.step()
            scheduler.step()


def test_a_loss_is_a_trials_own() -> None:
    criterion = nn.CrossEntropyLoss(weight=torch.ones(3))
    recipe = recipe_of(criterion, "SGD", 0.1, 0.0, {"momentum": 0.9}, None, 1)
    assert recipe.loss() is not criterion
    assert recipe.loss().weight is not criterion.weight
    assert recipe_of(nn.functional.mse_loss, "SGD", 0.1, 0.0, None, None, 1).loss() is nn.functional.mse_loss


def test_the_optimizer_gets_what_it_takes() -> None:
    weight = nn.Parameter(torch.zeros(1))
    made = recipe_of(nn.MSELoss, "SGD", 0.1, 0.01, {"momentum": 0.9}, None, 1).optimizer([weight])
    assert isinstance(made, torch.optim.SGD)
    assert {key: made.defaults[key] for key in ("lr", "weight_decay", "momentum")} == {
        "lr": 0.1,
        "weight_decay": 0.01,
        "momentum": 0.9,
    }
    assert isinstance(recipe_of(nn.MSELoss, "LBFGS", 1, 0.0, None, None, 1).optimizer([weight]), torch.optim.LBFGS)
    with pytest.raises(ConfigError, match="does not take"):
        recipe_of(nn.MSELoss, torch.optim.Adam, 0.1, 0.0, {"betas": (2.0, 3.0)}, None, 1)


def test_to_check_an_optimizer_imports_no_compiler() -> None:
    program = (
        "import sys, torch; from raynas.evaluator.lightning.checks import recipe_of; "
        "recipe_of(torch.nn.MSELoss, 'Adam', 0.1, 0.0, None, None, 1); sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
