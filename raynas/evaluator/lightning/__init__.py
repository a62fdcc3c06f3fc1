"""Evaluators that train with Lightning, be it `pytorch_lightning` or `lightning.pytorch`.

Lightning takes seconds to import, so it is imported when it is needed: by the first training, or with `Trainer`.
"""

from typing import TYPE_CHECKING, Any

from raynas.evaluator.lightning.classification import Classification
from raynas.evaluator.lightning.loader import DataLoader
from raynas.evaluator.lightning.own import Lightning
from raynas.evaluator.lightning.regression import Regression

if TYPE_CHECKING:
    from raynas.evaluator.lightning.trainer import Trainer

__all__ = ["Classification", "DataLoader", "Lightning", "Regression", "Trainer"]


def __getattr__(name: str) -> Any:
    if name == "Trainer":
        from raynas.evaluator.lightning.trainer import Trainer

        return Trainer
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
