import copy
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import raynas
from raynas.errors import ConfigError, EvaluationError, NonFiniteError, TrialStopped
from raynas.evaluator import Context
from raynas.evaluator.lightning import Classification, DataLoader
from raynas.evaluator.lightning.recipe import cosine
from raynas.search_space import Leaf
from raynas.serializer import choices, dumps, loads, name_choices, resolve, serialize

Net = Callable[..., nn.Module]
Reports = list[tuple[Mapping[str, float], int]]


def keep(reports: Reports, stop_at: int | None = None) -> Callable[[Mapping[str, float], int], bool]:
    def send(metrics: Mapping[str, float], step: int) -> bool:
        reports.append((dict(metrics), step))
        return step == stop_at

    return send


def test_it_learns_digits_and_reports_every_epoch(digits: Any, net: Net) -> None:
    reports: Reports = []
    evaluator = Classification(*digits, learning_rate=3e-3, max_epochs=4)
    result = evaluator.evaluate(net(), Context(seed=1, send=keep(reports)))
    assert result["val_accuracy"] > 0.9
    assert [step for _, step in reports] == [0, 1, 2, 3]
    assert reports[-1][0] == result
    accuracies = [metrics["val_accuracy"] for metrics, _ in reports]
    losses = [metrics["train_loss"] for metrics, _ in reports]
    assert losses == sorted(losses, reverse=True)
    best = accuracies.index(max(accuracies))
    assert result["best_epoch"] == best
    assert {name: result[f"best_{name}"] for name in ("val_accuracy", "val_loss", "train_loss")} == {
        name: reports[best][0][name] for name in ("val_accuracy", "val_loss", "train_loss")
    }


def test_its_metrics_are_those_of_the_model_it_leaves(digits: Any, net: Net) -> None:
    model = net()
    result = Classification(*digits, max_epochs=2, batch_size=50).evaluate(model, Context(seed=1))
    x, y = digits[1]
    model.eval()
    with torch.inference_mode():
        output = model(x)
    assert result["val_accuracy"] == (output.argmax(1) == y).double().mean().item()
    assert result["val_loss"] == pytest.approx(nn.functional.cross_entropy(output, y).item(), rel=1e-5)


def test_the_seed_decides_all(digits: Any, net: Net) -> None:
    evaluator = Classification(*digits, max_epochs=2)

    def run(seed: int) -> tuple[Mapping[str, float], dict[str, torch.Tensor]]:
        model = net()
        torch.rand(seed + 3)  # what was drawn before does not matter
        return evaluator.evaluate(model, Context(seed=seed)), model.state_dict()

    first, weights = run(1)
    again, weights_again = run(1)
    other, _ = run(2)
    assert first == again
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)
    assert other["train_loss"] != first["train_loss"]


class Noisy(Dataset[tuple[torch.Tensor, int]]):
    """Digits read one by one, with noise from three generators."""

    def __init__(self, data: Any) -> None:
        self.x, self.y = data

    def __len__(self) -> int:
        return 128

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.x[index] + 0.1 * torch.rand(1) + 0.1 * float(np.random.rand()), int(self.y[index])


@pytest.mark.parametrize("workers", [0, 1])
def test_so_it_does_with_a_loader_of_ones_own(digits: Any, net: Net, workers: int) -> None:
    train = DataLoader(Noisy(digits[0]), batch_size=16, shuffle=True, num_workers=workers)
    evaluator = Classification(train, digits[1], max_epochs=2)
    first = evaluator.evaluate(net(), Context(seed=1))
    assert evaluator.evaluate(net(), Context(seed=1)) == first
    assert evaluator.evaluate(net(), Context(seed=2)) != first


@pytest.mark.parametrize("loader", [False, True])
@pytest.mark.parametrize("scheduler", [None, "cosine", "one_cycle"])
def test_a_rung_and_the_next_are_one_training(digits: Any, net: Net, scheduler: str | None, loader: bool) -> None:
    train = DataLoader(Noisy(digits[0]), batch_size=16, shuffle=True) if loader else digits[0]
    evaluator = Classification(train, digits[1], max_epochs=4, scheduler=scheduler, learning_rate=3e-3, batch_size=64)
    straight_model, reports = net(), []
    straight = evaluator.evaluate(straight_model, Context(seed=1, send=keep(reports)))

    low = Context(seed=1, budget=2)
    evaluator.evaluate(net(), low)
    state = low.checkpoint.restore()
    assert state is not None
    assert state["epoch"] == 2
    before = copy.deepcopy(state)
    promoted_model, rest = net(seed=5), []
    promoted = evaluator.evaluate(promoted_model, Context(seed=1, budget=4, warm_start=state, send=keep(rest)))
    assert promoted == straight
    assert rest == reports[2:]
    for name, tensor in straight_model.state_dict().items():
        assert torch.equal(tensor, promoted_model.state_dict()[name]), name
        assert torch.equal(before["model"][name], state["model"][name]), "the parent's state is its own"
    (moments,), (moments_before,) = state["trainer"]["optimizer_states"], before["trainer"]["optimizer_states"]
    for index, slots in moments_before["state"].items():
        assert all(torch.equal(slots[name], moments["state"][index][name]) for name in slots)


class Rates(pl.Callback):
    """Keeps the learning rate of every step, with the class, for the callback itself is copied."""

    seen: ClassVar[list[float]] = []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: torch.optim.Optimizer) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_schedule_runs_over_all_epochs_step_by_step(digits: Any, net: Net, accumulate: int) -> None:
    def run(context: Context, learning_rate: float) -> list[float]:
        Rates.seen.clear()
        trainer = {"callbacks": [Rates()], "accumulate_grad_batches": accumulate}
        evaluator = Classification(
            *digits, max_epochs=4, batch_size=256, learning_rate=learning_rate, scheduler="cosine", trainer=trainer
        )
        evaluator.evaluate(net(), context)
        return list(Rates.seen)

    steps = 4 * (5 if accumulate == 1 else 3)
    expected = [0.01 * cosine(step / steps) for step in range(steps)]
    low = Context(budget=2)
    assert run(low, 0.01) == pytest.approx(expected[: steps // 2])
    rest = run(Context(warm_start=low.checkpoint.restore()), 0.1)
    assert rest == pytest.approx([10 * rate for rate in expected[steps // 2 :]])


@pytest.mark.parametrize("scheduler", [None, "cosine"])
def test_a_promoted_trial_uses_its_own_settings(digits: Any, net: Net, scheduler: str | None) -> None:
    low = Context(seed=1, budget=1)
    Classification(*digits, max_epochs=2, learning_rate=0.5, optimizer="SGD", scheduler=scheduler).evaluate(net(), low)
    state = low.checkpoint.restore()
    assert state is not None
    model = net()
    still = Classification(*digits, max_epochs=2, learning_rate=0.0, optimizer="SGD", scheduler=scheduler)
    still.evaluate(model, Context(seed=1, warm_start=state))
    assert torch.equal(model.get_parameter("0.weight"), state["model"]["0.weight"]), (
        "a learning rate of 0 changes nothing"
    )
    other = Classification(*digits, max_epochs=2, optimizer="Adam").evaluate(net(), Context(seed=1, warm_start=state))
    assert other["best_epoch"] in (0.0, 1.0)


def test_another_architecture_inherits_what_fits(digits: Any, net: Net) -> None:
    parent, reports = Context(seed=1), []
    Classification(*digits, max_epochs=1).evaluate(net(), parent)
    state = parent.checkpoint.restore()
    assert state is not None
    model = nn.Sequential(*list(net(seed=9))[:-1], nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10))
    frozen = Classification(*digits, max_epochs=2, learning_rate=0.0)
    frozen.evaluate(model, Context(seed=1, warm_start=state, send=keep(reports)))
    assert [step for _, step in reports] == [0, 1], "it is trained from the beginning"
    assert torch.equal(model.get_parameter("0.weight"), state["model"]["0.weight"])
    assert model.get_parameter("6.weight").shape == (32, 128)


def test_a_start_that_is_trained_enough_is_only_a_start(digits: Any, net: Net) -> None:
    parent, reports = Context(seed=1), []
    Classification(*digits, max_epochs=2, learning_rate=3e-3).evaluate(net(), parent)
    child = Context(seed=2, warm_start=parent.checkpoint.restore(), send=keep(reports))
    Classification(*digits, max_epochs=2).evaluate(net(), child)
    assert [step for _, step in reports] == [0, 1]
    assert reports[0][0]["val_accuracy"] > 0.85, "it began with its parent's weights"


def test_weights_alone_will_do_as_a_start(digits: Any, net: Net) -> None:
    trained, reports = net(), []
    Classification(*digits, max_epochs=3, learning_rate=3e-3).evaluate(trained, Context(seed=1))
    bare = Classification(*digits, max_epochs=1, learning_rate=0.0)
    assert bare.evaluate(net(), Context(seed=1, warm_start=trained.state_dict()))["val_accuracy"] > 0.85
    state = {"model": trained.state_dict(), "epoch": 3}
    result = Classification(*digits, max_epochs=4).evaluate(
        net(), Context(seed=1, budget=4, warm_start=state, send=keep(reports))
    )
    assert [step for _, step in reports] == [3]
    assert result["val_accuracy"] > 0.9


def test_an_attempt_that_was_done_is_not_repeated(digits: Any, net: Net) -> None:
    context, reports = Context(seed=1), []
    result = Classification(*digits, max_epochs=1).evaluate(net(), context)
    again = Context(seed=1, attempt=2, checkpoint=context.checkpoint, send=keep(reports))
    assert Classification(*digits, max_epochs=1).evaluate(net(), again) == result
    assert reports == [(result, 0)], "its reports are told again: those of the lost attempt went with it"


def test_the_budget_counts_epochs_up_to_the_most(digits: Any, net: Net) -> None:
    reports: Reports = []
    evaluator = Classification(*digits, max_epochs=2)
    evaluator.evaluate(net(), Context(budget=1.2, send=keep(reports)))
    assert len(reports) == 1
    with pytest.warns(UserWarning, match="budget of 9 epochs is cut to max_epochs=2"):
        evaluator.evaluate(net(), Context(budget=9, send=keep(reports)))
    assert len(reports) == 3


def test_a_stop_ends_the_training_and_leaves_its_state(digits: Any, net: Net) -> None:
    context, reports = Context(seed=1), []
    context.send = keep(reports, stop_at=1)
    with pytest.raises(TrialStopped, match="step 1"):
        Classification(*digits, max_epochs=5, trainer={"min_epochs": 4}).evaluate(net(), context)
    assert len(reports) == 2
    state = context.checkpoint.restore()
    assert state is not None
    assert state["epoch"] == 2


def test_nothing_is_written_and_nothing_is_said(
    digits: Any, net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any, caplog: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caplog.set_level(logging.INFO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classification(*digits, max_epochs=2).evaluate(net(), Context())
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_verbose_lets_lightning_talk(digits: Any, net: Net, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    Classification(*digits, max_epochs=1, verbose=True).evaluate(net(), Context())
    assert "GPU available" in caplog.text
    caplog.clear()
    monkeypatch.setenv("RAYNAS_VERBOSE", "1")
    Classification(*digits, max_epochs=1).evaluate(net(), Context())
    assert "GPU available" in caplog.text


def test_what_the_user_asks_of_the_trainer_happens(digits: Any, net: Net, tmp_path: Path) -> None:
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
    from pytorch_lightning.loggers import CSVLogger

    reports: Reports = []
    trainer = {
        "logger": CSVLogger(tmp_path, name="log"),
        "callbacks": [
            EarlyStopping("val_loss", patience=0, min_delta=100.0),
            ModelCheckpoint(tmp_path / "kept", monitor="val_accuracy", mode="max"),
        ],
        "accumulate_grad_batches": 2,
        "gradient_clip_val": 1.0,
        "precision": "bf16-mixed",
    }
    Classification(*digits, max_epochs=5, trainer=trainer).evaluate(net(), Context(send=keep(reports)))
    assert len(reports) == 2, "stopped early"
    assert len(list((tmp_path / "kept").glob("*.ckpt"))) == 1
    again: Reports = []
    Classification(*digits, max_epochs=5, trainer=trainer).evaluate(net(), Context(send=keep(again)))
    assert again == reports, "a callback's counts are a trial's own"
    assert "val_accuracy" in next((tmp_path / "log").rglob("metrics.csv")).read_text()


def test_a_recorded_trainer_gives_its_arguments(digits: Any, net: Net) -> None:
    import pytorch_lightning

    from raynas.evaluator.lightning import Trainer

    reports: Reports = []
    trainer = Trainer(max_epochs=Leaf([2, 3], "epochs"), logger=False)
    assert isinstance(trainer, pytorch_lightning.Trainer)
    evaluator = Classification(*digits, trainer=trainer)
    text = resolve(dumps(evaluator), {"epochs": 3})
    loads(text).evaluate(net(), Context(send=keep(reports)))
    assert len(reports) == 3
    with pytest.raises(ConfigError, match=r"raynas\.evaluator\.lightning\.Trainer"):
        Classification(*digits, trainer=pytorch_lightning.Trainer(logger=False))  # type: ignore[arg-type]  # the point


def test_choices_may_stand_everywhere(digits: Any, net: Net) -> None:
    evaluator = Classification(
        DataLoader(serialize(TensorDataset, *digits[0]), batch_size=Leaf([32, 64]), shuffle=True),
        digits[1],
        learning_rate=Leaf([1e-3, 1e-2]),
        optimizer=Leaf([torch.optim.Adam, torch.optim.SGD], "how"),
        optimizer_arguments={"maximize": Leaf([False, True])},
        batch_size=Leaf([16, 32]),
        max_epochs=Leaf([1, 2]),
        scheduler=Leaf([None, "cosine"]),
    )
    name_choices(evaluator)
    assert [leaf.label for leaf in choices(evaluator)] == [
        "train_dataloaders.batch_size",
        "learning_rate",
        "how",
        "optimizer_arguments.maximize",
        "batch_size",
        "max_epochs",
        "scheduler",
    ]
    sample = {leaf.named(): leaf.tokens[-1] for leaf in choices(evaluator)}
    reports: Reports = []
    made = loads(resolve(dumps(evaluator), sample))
    made.evaluate(net(), Context(send=keep(reports)))
    assert len(reports) == 2
    assert reports[-1][0]["train_loss"] > math.log(10), "SGD that maximizes the loss"


def test_example_inputs_are_a_batch(digits: Any) -> None:
    state = torch.get_rng_state()
    for train in (digits[0], TensorDataset(*digits[0]), Noisy(digits[0]), DataLoader(Noisy(digits[0]), batch_size=8)):
        inputs = Classification(train, digits[1], batch_size=8).example_inputs()
        assert inputs is not None
        (x,) = inputs
        assert x.shape == (8, 1, 8, 8)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("width", [1, 2])
def test_two_classes(width: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(300, 4)
    y = (x[:, 0] > 0).long()
    criterion, y = (nn.BCEWithLogitsLoss, y.float()) if width == 1 else (nn.CrossEntropyLoss, y)
    evaluator = Classification((x, y), (x, y), criterion=criterion, learning_rate=0.1, max_epochs=3)
    assert evaluator.evaluate(nn.Linear(4, width), Context())["val_accuracy"] > 0.95


def test_several_inputs_and_a_loss_with_settings() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.layer(a - b)

    x, z = torch.randn(200, 4), torch.randn(200, 4)
    y = ((x - z)[:, 0] > 0).long()
    loss = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="none")
    evaluator = Classification((x, z, y), (x, z, y), criterion=loss, learning_rate=0.1, max_epochs=3)
    inputs = evaluator.example_inputs()
    assert inputs is not None
    assert len(inputs) == 2
    assert evaluator.evaluate(Both(), Context())["val_accuracy"] > 0.9


def test_a_training_that_diverges_is_told_apart(digits: Any, net: Net) -> None:
    evaluator = Classification(*digits, optimizer="SGD", learning_rate=1e30, max_epochs=3)
    with pytest.raises(NonFiniteError, match=r"nan as '(val|train)_loss'"):
        evaluator.evaluate(net(), Context())


def test_a_candidate_that_breaks_says_how(digits: Any) -> None:
    evaluator = Classification(*digits, max_epochs=1)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        evaluator.evaluate(nn.Sequential(nn.Flatten(), nn.Linear(63, 10)), Context())
    with pytest.raises(EvaluationError, match="no parameter that learns"):
        evaluator.evaluate(nn.Flatten(), Context())


def test_a_broken_trial_leaves_no_trace(digits: Any, net: Net) -> None:
    evaluator = Classification(*digits, max_epochs=1)
    first = evaluator.evaluate(net(), Context(seed=1))
    level = logging.getLogger("pytorch_lightning").level
    broken = Classification(*digits, max_epochs=1, trainer={"deterministic": True, "benchmark": True})
    with pytest.raises(RuntimeError):
        broken.evaluate(nn.Linear(3, 3), Context())
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert logging.getLogger("pytorch_lightning").level == level
    assert evaluator.evaluate(net(), Context(seed=1)) == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "Adamm"}, "no optimizer 'Adamm': choose among .*Adam, "),
        ({"optimizer": 3}, "optimizer is 3"),
        ({"optimizer_arguments": {"momentum": 0.9}}, "Adam does not take .*momentum"),
        ({"optimizer": "LBFGS", "weight_decay": 0.1}, "LBFGS does not take .*weight_decay"),
        ({"learning_rate": "1e-3"}, "learning_rate is '1e-3'"),
        ({"optimizer_arguments": 3}, "optimizer_arguments is 3: give a mapping"),
        ({"optimizer": Exception}, "optimizer is <class 'Exception'>, which makes none"),
        ({"batch_size": True}, "batch_size is True: give a whole number"),
        ({"weight_decay": -1}, "weight_decay is -1"),
        ({"scheduler": "linear"}, "no schedule 'linear': choose among cosine, one_cycle"),
        ({"criterion": "mse"}, "criterion is 'mse'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_epochs": 1.5}, r"max_epochs is 1\.5"),
        ({"data": lambda: None}, "data twice"),
        ({"trainer": {"max_epoch": 3}}, "max_epoch'.*max_epochs"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(digits: Any, arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as info:
        Classification(*digits, **arguments)
    assert "\n" not in str(info.value)


def test_data_is_needed(digits: Any) -> None:
    with pytest.raises(ConfigError, match="no train_dataloaders"):
        Classification()
    with pytest.raises(ConfigError, match="no val_dataloaders"):
        Classification(digits[0])
    with pytest.raises(ConfigError, match="give a function"):
        Classification(data=digits)


def test_lightning_is_imported_by_the_first_training_only() -> None:
    import subprocess
    import sys

    program = (
        "import sys, torch, raynas.evaluator.lightning as room\n"
        "room.Classification((torch.ones(2, 1), torch.ones(2)),) if 0 else None\n"
        "assert not any('lightning' in name and not name.startswith('raynas') for name in sys.modules)\n"
        "room.Trainer\n"
        "assert 'pytorch_lightning' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ})


def test_what_it_does_not_return_is_refused_as_an_objective_before_anything_starts(digits: Any, net: Any) -> None:
    quiet = Classification(*digits, max_epochs=1)
    with pytest.raises(ConfigError, match=r"the objective 'val_acc' is none of .*val_accuracy, val_loss.*: name one"):
        raynas.Experiment(net, quiet, objective="val_acc")
    names = quiet.metric_names()
    assert names is not None and {*quiet.evaluate(net(), Context(seed=1))} == {*names}
    raynas.Experiment(net, quiet, objective={"best_val_accuracy": "max", "params": "min"})
    talkative = Classification(*digits, max_epochs=1, trainer={"callbacks": [pl.Callback()]})
    assert talkative.metric_names() is None
