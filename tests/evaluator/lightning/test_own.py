import signal
from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from raynas.errors import ConfigError, EvaluationError, NonFiniteError
from raynas.evaluator import Context
from raynas.evaluator.lightning import Lightning
from raynas.search_space import Leaf
from raynas.serializer import choices, dumps, loads, name_choices, resolve, serialize

Net = Callable[..., nn.Module]


class Scaled(pl.LightningModule):
    """A user's module: a layer of its own before the candidate, an optimizer of its own."""

    def __init__(self, model: nn.Module, rate: float = 3e-3, metric: str = "val_acc") -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["model"])
        self.inner = model
        self.scale = nn.Parameter(torch.ones(()))
        self.rate = rate
        self.metric = metric

    def _step(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        x, y = batch
        output = self.inner(x * self.scale)
        return nn.functional.cross_entropy(output, y), (output.argmax(1) == y).float().mean()

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss, _ = self._step(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        loss, accuracy = self._step(batch)
        self.log_dict({"val_loss": loss, self.metric: accuracy})

    def on_train_epoch_end(self) -> None:
        self.log("late", float(self.current_epoch))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), self.rate, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.9)]


class ByHand(Scaled):
    """Two optimizers, stepped by hand; no validation."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> None:  # type: ignore[override]  # nothing to return by hand
        loss, accuracy = self._step(batch)
        for optimizer in self.optimizers():  # type: ignore[union-attr]  # two of them
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():  # type: ignore[union-attr]  # two of them
            optimizer.step()
        self.log("acc", accuracy, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.inner.parameters(), 3e-3), torch.optim.SGD([self.scale], 1e-3)

    validation_step = None  # type: ignore[assignment]  # as if it were not there


class Digits(pl.LightningDataModule):
    def __init__(self, batch_size: int = 32) -> None:
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage: str) -> None:
        from sklearn.datasets import load_digits

        images, classes = load_digits(return_X_y=True)
        x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        self.all = torch.utils.data.TensorDataset(x, torch.tensor(classes))

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(
            torch.utils.data.Subset(self.all, range(1078)), batch_size=self.batch_size, shuffle=True
        )

    def val_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.utils.data.Subset(self.all, range(1078, 1437)), batch_size=128)


def keep(reports: list[Any]) -> Callable[[Any, int], bool]:
    def send(metrics: Any, step: int) -> bool:
        reports.append((dict(metrics), step))
        return False

    return send


def test_a_users_module_trains_and_its_metrics_come_back(digits: Any, net: Net) -> None:
    reports: list[Any] = []
    evaluator = Lightning(Scaled, *digits, max_epochs=3, monitor="val_acc", mode="max", rate=0.05)
    result = evaluator.evaluate(net(), Context(seed=1, send=keep(reports)))
    assert set(result) == {
        *("train_loss", "val_loss", "val_acc", "late"),
        *("best_train_loss", "best_val_loss", "best_val_acc", "best_late", "best_epoch"),
    }
    assert result["val_acc"] > 0.9
    assert [step for _, step in reports] == [0, 1, 2]
    assert [metrics["late"] for metrics, _ in reports] == [0.0, 1.0, 2.0], "what is logged last is not an epoch old"
    assert result["best_val_acc"] == max(metrics["val_acc"] for metrics, _ in reports)


def test_without_a_monitor_there_is_no_best(digits: Any, net: Net) -> None:
    result = Lightning(Scaled, *digits, max_epochs=1).evaluate(net(), Context())
    assert set(result) == {"train_loss", "val_loss", "val_acc", "late"}


@pytest.mark.parametrize("module", [Scaled, ByHand])
def test_the_seed_decides_and_rungs_continue(digits: Any, net: Net, module: Any) -> None:
    data = digits if module is Scaled else digits[:1]
    evaluator = Lightning(module, *data, max_epochs=3)
    model, low = net(), Context(seed=1, budget=1)
    straight = evaluator.evaluate(model, Context(seed=1))
    assert evaluator.evaluate(net(), Context(seed=1)) == straight
    assert evaluator.evaluate(net(), Context(seed=2)) != straight
    evaluator.evaluate(net(), low)
    state = low.checkpoint.restore()
    assert state is not None
    assert set(state["module"]) == {"scale"}
    assert "hyper_parameters" not in state["trainer"]
    promoted = net(seed=7)
    assert evaluator.evaluate(promoted, Context(seed=1, warm_start=state)) == straight
    assert all(torch.equal(a, b) for a, b in zip(promoted.parameters(), model.parameters(), strict=True))


class Headed(Scaled):
    def __init__(self, model: nn.Module) -> None:
        super().__init__(nn.Sequential(model, nn.Linear(10, 10)))


def test_the_seed_decides_what_the_module_brings_along(digits: Any, net: Net) -> None:
    def run(draws: int) -> Any:
        model = net()
        torch.rand(draws)
        return Lightning(Headed, *digits, max_epochs=1).evaluate(model, Context(seed=1))

    assert run(1) == run(2)


def test_a_datamodule_brings_the_data(net: Net) -> None:
    evaluator = Lightning(Scaled, datamodule=serialize(Digits, batch_size=64), max_epochs=2, rate=0.05)
    inputs = evaluator.example_inputs()
    assert inputs is not None
    assert inputs[0].shape == (64, 1, 8, 8)
    first = evaluator.evaluate(net(), Context(seed=1))
    assert first["val_acc"] > 0.8
    assert evaluator.evaluate(net(), Context(seed=1)) == first
    made = loads(dumps(evaluator), trust=[__name__])
    assert made.evaluate(net(), Context(seed=1)) == first


def test_the_modules_arguments_may_be_choices(digits: Any, net: Net) -> None:
    evaluator = Lightning(Scaled, *digits, max_epochs=1, rate=Leaf([0.0, 0.1]))
    name_choices(evaluator)
    assert [leaf.label for leaf in choices(evaluator)] == ["rate"]
    made = loads(resolve(dumps(evaluator), {"rate": 0.1}), trust=[__name__])
    assert made.evaluate(net(), Context(seed=1)) != evaluator.evaluate(net(), Context(seed=1))


def test_validation_every_other_epoch_is_reported_when_it_happens(digits: Any, net: Net) -> None:
    reports: list[Any] = []
    trainer = {"check_val_every_n_epoch": 2}
    Lightning(Scaled, *digits, max_epochs=4, trainer=trainer).evaluate(net(), Context(send=keep(reports)))
    assert [step for _, step in reports] == [1, 3]
    with pytest.raises(EvaluationError, match="no validation ran in 1 epochs"):
        Lightning(Scaled, *digits, max_epochs=1, trainer=trainer).evaluate(net(), Context())


class Diverging(Scaled):
    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_acc", float("nan"))


class Interrupted(Scaled):
    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        raise KeyboardInterrupt


class Exiting(Scaled):
    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        raise SystemExit(3)


def test_what_goes_wrong_comes_out(digits: Any, net: Net) -> None:
    with pytest.raises(NonFiniteError, match="Diverging gave nan as 'val_acc'"):
        Lightning(Diverging, *digits, max_epochs=1).evaluate(net(), Context())
    with pytest.raises(EvaluationError, match=r"'val_f1' to monitor was not logged in epoch 0: there is .*'val_loss'"):
        Lightning(Scaled, *digits, max_epochs=1, monitor="val_f1").evaluate(net(), Context())
    with pytest.raises(SystemExit, match="3"):
        Lightning(Exiting, *digits, max_epochs=1).evaluate(net(), Context())


class InterruptedEarly(Scaled):
    def setup(self, stage: str) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("module", [Interrupted, InterruptedEarly])
def test_an_interrupt_stays_one(digits: Any, net: Net, module: Any) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Lightning(module, *digits, max_epochs=1).evaluate(net(), Context())
    assert signal.getsignal(signal.SIGINT) is handler


def test_bad_arguments_are_refused(digits: Any) -> None:
    with pytest.raises(ConfigError, match="Linear derives from no LightningModule"):
        Lightning(nn.Linear, *digits)
    with pytest.raises(ConfigError, match="data twice"):
        Lightning(Scaled, *digits, datamodule=Digits())
    with pytest.raises(ConfigError, match="no train_dataloaders"):
        Lightning(Scaled, val_dataloaders=digits[1])
    with pytest.raises(ConfigError, match="mode is 'up'"):
        Lightning(Scaled, *digits, mode="up")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ConfigError, match="made a Linear"):
        Lightning(lambda model: nn.Linear(1, 1), *digits).evaluate(nn.Linear(1, 1), Context())
