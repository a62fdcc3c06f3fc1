import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from torch import nn

from raynas.errors import ConfigError
from raynas.evaluator import Context
from raynas.evaluator.lightning import Classification
from raynas.evaluator.lightning.checks import recipe_of
from raynas.evaluator.lightning.measures import accuracy, one_logit
from raynas.evaluator.lightning.packages import class_for, common_package, package_of
from raynas.evaluator.lightning.recipe import Task
from raynas.evaluator.lightning.supervised import Supervised


class Mine(pl.LightningModule):
    pass


class Theirs:
    pass


Theirs.__module__ = "lightning.pytorch.core.module"


class Derived(Theirs):
    pass


def test_the_base_classes_say_which_lightning() -> None:
    assert package_of(Mine) == "pytorch_lightning"
    assert package_of(Derived) == "lightning.pytorch"
    assert package_of(nn.Linear) is None
    assert common_package([nn.Linear(1, 1), None]) == "pytorch_lightning"
    assert common_package([3, Derived]) == "lightning.pytorch"
    with pytest.raises(ConfigError, match=r"Mine is made for pytorch_lightning and Derived for lightning\.pytorch"):
        common_package([Mine(), Derived()])


def test_a_class_put_together_can_be_copied_and_pickled() -> None:
    recipe = recipe_of(nn.CrossEntropyLoss, "Adam", 1e-3, 0.0, None, None, 1)
    cls = class_for("pytorch_lightning", Supervised, "LightningModule")
    module = cls(nn.Linear(2, 3), recipe, Task(one_logit, accuracy))
    assert isinstance(module, pl.LightningModule)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(twin) is cls
        assert twin.model.weight.equal(module.model.weight)
        assert twin.recipe == recipe


def test_the_other_lightning_works_where_it_is_installed(digits: Any, net: Any, tmp_path: Path) -> None:
    pytest.importorskip("lightning.pytorch")
    from lightning.pytorch.callbacks import EarlyStopping

    trainer = {"callbacks": [EarlyStopping("val_loss")]}
    first = Classification(*digits, max_epochs=2).evaluate(net(), Context(seed=1))
    assert Classification(*digits, max_epochs=2, trainer=trainer).evaluate(net(), Context(seed=1)) == first
    assert "lightning.pytorch" in sys.modules
