"""Lightning: a user's own LightningModule around the candidate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from raynas.errors import ConfigError
from raynas.evaluator.evaluator import Context, Evaluator
from raynas.evaluator.lightning.packages import PACKAGES, package_of
from raynas.evaluator.lightning.source import Source, first_inputs
from raynas.evaluator.lightning.training import Plan, train
from raynas.serializer import serialize_cls

if TYPE_CHECKING:
    from raynas.evaluator.lightning.trainer import Trainer


@serialize_cls
class Lightning(Evaluator):
    """Trains a user's own LightningModule, which is made anew for each candidate as `module_class(model, **arguments)`.

    Its metrics are what the module logs at the ends of epochs, as in `self.log("val_f1", …)` in `validation_step`, of
    the last epoch; with `monitor`, also of the best epoch as `best_…`, with its number, from 0, as `best_epoch`. Each
    epoch that ends with a validation is reported (each epoch, where there is no validation). A trial's budget counts
    epochs, those of the trial that it starts from included.

    The module may come from `pytorch_lightning` or from `lightning.pytorch`; its Trainer is taken from the same one.
    Choices may stand among all arguments.

    Args:
        module_class: the class, which takes the candidate first.
        train_dataloaders: a `DataLoader` (or what else Lightning takes), a dataset, or a tuple of arrays.
        val_dataloaders: the same, for validation.
        data: instead of both, a function that returns a pair of them; it is called once per process.
        datamodule: instead of all these, a LightningDataModule.
        batch_size: rows in a batch, where the data is not a loader.
        max_epochs: how long to train; with a budget, at most. Default: the trainer's, or 10.
        monitor: the metric that says which epoch is the best one.
        mode: whether its minimum or its maximum is best.
        trainer: arguments of Lightning's Trainer, as a mapping or as `raynas.evaluator.lightning.Trainer`.
        verbose: whether Lightning may talk.
        **arguments: further arguments of `module_class`.
    """

    def __init__(
        self,
        module_class: Callable[..., Any],
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        *,
        data: Callable[[], tuple[Any, Any]] | None = None,
        datamodule: Any = None,
        batch_size: int = 32,
        max_epochs: int | None = None,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        trainer: Trainer | Mapping[str, Any] | None = None,
        verbose: bool = False,
        **arguments: Any,
    ) -> None:
        if not callable(module_class):
            raise ConfigError(f"module_class is {module_class!r}: give the class of a LightningModule")
        if isinstance(module_class, type) and package_of(module_class) is None:
            raise ConfigError(
                f"{module_class.__qualname__} derives from no LightningModule of {' or '.join(PACKAGES)}: "
                "derive it from one, or wrap a plain function in FunctionalEvaluator"
            )
        brought = train_dataloaders is not None or val_dataloaders is not None or data is not None
        if datamodule is not None and brought:
            raise ConfigError("the evaluator was given data twice: leave out 'datamodule', or the other data")
        self.module_class = module_class
        self.arguments = arguments
        self._datamodule = datamodule
        self._source = (
            Source.of(train_dataloaders, val_dataloaders, data, batch_size, needed=False) if brought else None
        )
        self._plan = Plan.of(max_epochs, trainer, monitor, mode, verbose)

    def evaluate(self, model: nn.Module, context: Context) -> Mapping[str, float]:
        def make(package: str) -> Any:
            # Metrics and losses among the arguments have state, which one trial must not leave to the next.
            own = {
                key: copy.deepcopy(arg) if isinstance(arg, nn.Module) else arg for key, arg in self.arguments.items()
            }
            module = self.module_class(model, **own)
            if package_of(type(module)) is None:
                raise ConfigError(f"module_class made a {type(module).__qualname__}, which is no LightningModule")
            return module

        hints = [part for part in (self.module_class, self._datamodule) if part is not None]
        return train(self._plan, model, make, self._data(), context, hints)

    def _data(self) -> dict[str, Any]:
        if self._source is not None:
            return self._source.loaders()
        return {} if self._datamodule is None else {"datamodule": self._datamodule}

    def example_inputs(self) -> tuple[Any, ...] | None:
        if self._source is not None:
            return self._source.example_inputs()
        if self._datamodule is None:
            return None  # the module brings its own data, and there is no module without a candidate
        self._datamodule.prepare_data()
        self._datamodule.setup("fit")
        return first_inputs(self._datamodule.train_dataloader())

    def epochs(self) -> int:
        return self._plan.max_epochs
