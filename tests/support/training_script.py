"""Searches of one trial with evaluators of every kind, all of them defined in `__main__`; prints what came of each."""

import functools
import json
import math
import sys

import numpy
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import nn

import raynas
from raynas import LayerChoice, ModelSpace, ValueChoice, basic_unit
from raynas.evaluator.lightning import Classification, DataLoader, Lightning, Regression, Trainer

FRACTION = 0.75
SCALE = {"digits": 16.0}


def scaled(x):
    return numpy.asarray(x, dtype="f4") / SCALE["digits"]


def digits(part, noise=0.0):
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(scaled(x))
    x = x + noise * torch.randn(len(x), 64) if noise else x
    cut = int(len(x) * FRACTION)
    half = slice(None, cut) if part == "train" else slice(cut, None)
    return torch.utils.data.TensorDataset(x[half], torch.tensor(y)[half])


def both():
    return digits("train", noise=0.1), digits("val")


@basic_unit
class Scaled(nn.Module):
    def __init__(self, features, by):
        super().__init__()
        self.scale = nn.Parameter(torch.full((features,), by))

    def forward(self, x):
        return x * self.scale


class Net(ModelSpace):
    def __init__(self, inputs=64, outputs=10):
        super().__init__()
        width = ValueChoice([16, 24], label="width")
        act = LayerChoice([nn.ReLU(), nn.Tanh()], label="act")
        self.net = nn.Sequential(
            Scaled(inputs, 1.5), nn.Linear(inputs, width), nn.BatchNorm1d(width), act, nn.Dropout(0.1)
        )
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.net(x))


class Focal(nn.Module):
    def __init__(self, gamma, weights):
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weights", weights)

    def forward(self, output, target):
        p = output.log_softmax(1).gather(1, target[:, None]).squeeze(1)
        return -((1 - p.exp()) ** self.gamma * p * self.weights[target]).mean()


class Ours(pl.LightningModule):
    def __init__(self, model, rate, head=None):
        super().__init__()
        self.model, self.rate, self.extra = model, rate, nn.Linear(10, 10)

    def step(self, batch, name):
        x, y = batch
        output = self.extra(self.model(x))
        self.log(f"{name}_acc", (output.argmax(1) == y).float().mean(), on_step=False, on_epoch=True)
        return nn.functional.cross_entropy(output, y)

    def training_step(self, batch, index):
        return self.step(batch, "train")

    def validation_step(self, batch, index):
        self.step(batch, "val")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.rate)


class Data(pl.LightningDataModule):
    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size

    def train_dataloader(self):
        return torch.utils.data.DataLoader(digits("train"), batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(digits("val"), batch_size=100)


class Counting(pl.Callback):
    def __init__(self, every):
        self.every = every

    def on_train_batch_end(self, trainer, module, *rest):
        if trainer.global_step % self.every == 0:
            with torch.no_grad():
                next(module.parameters()).mul_(1.01)


def decayed(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


@functools.lru_cache(maxsize=1)
def tensors():
    return digits("train").tensors


def judged(model, steps, rate=0.1, context=None):
    x, y = tensors()
    optimizer = torch.optim.SGD(model.parameters(), rate)
    for step in range(steps):
        rows = torch.randint(len(x), (64,))
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        context.report({"loss": loss.item()}, step)
    return {"loss": loss.item(), "seeded": context.seed % 7, "log": math.log(steps)}


@raynas.serialize_cls
class Mine(raynas.Evaluator):
    def __init__(self, steps, rate):
        self.steps, self.rate = steps, rate

    def evaluate(self, model: nn.Module, context: raynas.Context):
        return judged(model, self.steps, self.rate, context=context)

    def example_inputs(self):
        return (tensors()[0][:4],)


def evaluators():
    x, y = load_diabetes(return_X_y=True)
    x, y = x * 21, (y - y.mean()) / y.std()
    rate = ValueChoice([0.01, 0.02], label="rate")
    return {
        "recipes": Classification(
            raynas.serialize(digits, "train", noise=0.1),
            DataLoader(raynas.serialize(digits, part="val"), batch_size=100),
            criterion=raynas.serialize(Focal, 2.0, torch.linspace(0.5, 1.5, 10)),
            learning_rate=rate,
            optimizer="AdamW",
            scheduler="one_cycle",
            batch_size=ValueChoice([48, 64], label="batch_size"),
            max_epochs=3,
        ),
        "data": Classification(
            data=both,
            learning_rate=rate,
            scheduler=decayed,
            optimizer=functools.partial(torch.optim.SGD, momentum=0.5),
            trainer=Trainer(
                max_epochs=2,
                accumulate_grad_batches=2,
                callbacks=[raynas.serialize(Counting, 3)],
                precision="bf16-mixed",
            ),
        ),
        "arrays": Regression(
            (x[:300], y[:300]),
            torch.utils.data.TensorDataset(torch.tensor(x[300:]), torch.tensor(y[300:])),
            weight_decay=0.01,
            learning_rate=rate,
            scheduler="cosine",
            max_epochs=3,
            trainer={"gradient_clip_val": 0.5, "check_val_every_n_epoch": 3},
        ),
        "module": Lightning(
            Ours, datamodule=raynas.serialize(Data, 32), max_epochs=2, monitor="val_acc", mode="max", rate=rate
        ),
        "function": raynas.FunctionalEvaluator(judged, (tensors()[0][:4],), steps=5, rate=rate),
        "own": Mine(4, rate=rate),
    }


OBJECTIVES = {
    **dict.fromkeys(("recipes", "data"), "val_accuracy"),
    "arrays": {"val_loss": "min"},
    "module": "val_acc",
    "function": {"loss": "min"},
    "own": {"loss": "min"},
}

if __name__ == "__main__":
    found = {}
    for name, evaluator in evaluators().items():
        if name in sys.argv[1:]:
            space = Net(10, 1) if name == "arrays" else Net()
            result = raynas.Experiment(
                space, evaluator, "random", objective=OBJECTIVES[name], max_trials=1, name=name, engine="local", seed=3
            ).run()
            found[name] = result.best.metrics
    print(json.dumps(found))
