"""Retraining: a trial's training as a script that needs raynas no more."""

from __future__ import annotations

import inspect
import io
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raynas import serializer
from raynas.errors import SerializationError
from raynas.experiment import scripts
from raynas.pytorch import script
from raynas.pytorch.export.modules import Library
from raynas.serializer import Bytes, Decoder, imported
from raynas.serializer.source import Source

LIGHTNING = "raynas.evaluator.lightning"

OPENED = (
    *("raynas.errors", "raynas.evaluator.evaluator", "raynas.evaluator.metrics"),
    *(f"{LIGHTNING}.{name}" for name in ("batches", "epochs", "measures", "progress")),
    *(f"{LIGHTNING}.{name}" for name in ("recipe", "rows", "seeding", "supervised")),
)
"""raynas's modules of which parts are written into scripts: they need torch and Lightning only."""

FACES = {
    **{f"raynas.{name}": f"raynas.errors.{name}" for name in ("ConfigError", "RaynasError")},
    **{
        f"raynas.{room}{name}": f"raynas.evaluator.evaluator.{name}"
        for room in ("", "evaluator.")
        for name in ("Checkpoint", "Context", "Evaluator")
    },
    "raynas.evaluator.checked": "raynas.evaluator.metrics.checked",
    f"{LIGHTNING}.DataLoader": "torch.utils.data.DataLoader",
    f"{LIGHTNING}.loader.DataLoader": "torch.utils.data.DataLoader",
}
"""What names of raynas's stand for in a script."""

TAKEN = {"Model", "main", "SEED", "EPOCHS", "DATA", "torch", "nn", "json", "numpy", "Path", "Training", "Printed"}
"""Names that every script gives a meaning of its own."""


@dataclass(frozen=True)
class Retraining:
    """A script that trains a candidate as a trial did, and the arrays that it reads.

    Attributes:
        text: of the script; it reads the arrays from a file of its own name that ends in `.npz`.
        arrays: by name; none: there is no such file.
    """

    text: str
    arrays: Mapping[str, Any]

    def data(self) -> bytes:
        """The file of the arrays."""
        import numpy

        buffer = io.BytesIO()
        numpy.savez(buffer, **self.arrays)
        return buffer.getvalue()


@dataclass(frozen=True)
class Trained:
    """What a training was.

    Attributes:
        title: what to say of it.
        source: of the candidate.
        evaluator: the document of the evaluator, its choices made.
        attachments: that belong to it.
        trust: names that it may name.
        seed: the training's.
        budget: the trial's; None: no limit.
        threads: how many torch used.
        gpu: whether it had one.
    """

    title: str
    source: str
    evaluator: str
    attachments: Mapping[str, Bytes]
    trust: tuple[str, ...]
    seed: int
    budget: float | None
    threads: int
    gpu: bool


def retraining(trained: Trained, texts: Mapping[str, str] | None) -> Retraining:
    """The script for a training.

    Args:
        trained: what it was.
        texts: the user's modules, as `module_texts` found them.

    Raises:
        SerializationError: something cannot be written into a script; names it, and what to do.
    """
    library = Library(texts, frozenset(OPENED), FACES)
    document = serializer.content(trained.evaluator)
    decode = Decoder(trained.attachments, trained.trust)
    source = Source(document, decode, library.is_module, set(TAKEN))
    writer = _Writer(trained, source, decode)
    body = writer.body(document)
    needed = ["import numpy", "from pathlib import Path"] if source.arrays else []
    imports = "\n".join([*source.import_lines(), *writer.imports, *needed])
    data = scripts.DATA if source.arrays else ""
    root = "\n".join([imports, trained.source, data, body])
    text = script(root, texts, OPENED, writer.faces)
    return Retraining(f'"""{trained.title}"""\n\n{text}\n\n{scripts.GUARD}', source.arrays)


class _Writer:
    """Writes the part of a script that trains."""

    def __init__(self, trained: Trained, source: Source, decode: Decoder) -> None:
        self.trained = trained
        self.source = source
        self.decode = decode
        self.imports: list[str] = []
        self.faces = dict(FACES)

    def body(self, document: Any) -> str:
        """Everything after the model, for an evaluator."""
        call = document.get("$call") if isinstance(document, dict) else None
        if call in (f"{LIGHTNING}.classification.Classification", f"{LIGHTNING}.regression.Regression"):
            return self._supervised(document, call.rpartition(".")[2])
        if call == f"{LIGHTNING}.own.Lightning":
            return self._own(document)
        if call == "raynas.evaluator.functional.FunctionalEvaluator":
            return self._function(document)
        return self._evaluator(document)

    def _supervised(self, document: Any, kind: str) -> str:
        given = _bound(document)
        classes = kind == "Classification"
        package = self._package(given)
        monitor, mode = ("val_accuracy", "max") if classes else ("val_loss", "min")
        align, measure = ("one_logit", "accuracy") if classes else ("alike", "errors")
        loss = "nn.CrossEntropyLoss" if classes else "nn.MSELoss"
        self.imports += [
            "from torch import nn",
            f"from {LIGHTNING}.measures import {align}, {measure}",
            f"from {LIGHTNING}.recipe import Recipe, Task",
            f"from {LIGHTNING}.supervised import Supervised",
        ]
        fields = {
            "criterion": self._text(given, "criterion", loss),
            **self._optimizer(given),
            "scheduler": self._text(given, "scheduler", "None"),
            "horizon": repr(self._longest(given)),
        }
        recipe = ",\n".join(f"    {name}={text}" for name, text in fields.items())
        module = f"Training(model, Recipe(\n{recipe},\n), Task({align}, {measure}))"
        return self._lightning(given, package, module, monitor, mode, training=scripts.TRAINING)

    def _optimizer(self, given: Mapping[str, Any]) -> dict[str, str]:
        optimizer = given.get("optimizer", "Adam")
        name = f"torch.optim.{optimizer.rpartition('.')[2]}" if isinstance(optimizer, str) else ""
        takes = _parameters(imported(name) if name else self.decode(optimizer))
        arguments = {"lr": self._text(given, "learning_rate", "0.001")}
        if given.get("weight_decay") or "weight_decay" in takes:
            arguments["weight_decay"] = self._text(given, "weight_decay", "0.0")
        more = self._text(given, "optimizer_arguments")
        items = [f"'{key}': {text}" for key, text in arguments.items()] + ([f"**{more}"] if more else [])
        return {"factory": name or self._text(given, "optimizer"), "arguments": f"{{{', '.join(items)}}}"}

    def _own(self, document: Any) -> str:
        given = _bound(document)
        package = self._package(given)
        named = ", ".join(f"{key}={self.source(arg, key)}" for key, arg in given.get("**", {}).items())
        made = self._text(given, "module_class")
        module = f"{made}(model{f', {named}' if named else ''})"
        monitor = given.get("monitor")
        return self._lightning(given, package, module, monitor, given.get("mode", "min"), training="")

    def _lightning(
        self, given: Mapping[str, Any], package: str, module: str, monitor: Any, mode: str, training: str
    ) -> str:
        longest = self._longest(given)
        budget = self.trained.budget
        epochs = longest if budget is None else min(max(1, round(budget)), longest)
        data = self._data(given)
        trainer = self._trainer(given, package)
        self.imports += [
            "import json",
            "from pathlib import Path",
            "import torch",
            f"import {package}",
            f"from {LIGHTNING}.epochs import Epochs, flattened",
            f"from {LIGHTNING}.progress import Progress",
            f"from {LIGHTNING}.seeding import seed_all, seed_epoch",
        ]
        return scripts.LIGHTNING.format(
            training=training.format(package=package),
            package=package,
            seed=self.trained.seed,
            epochs=epochs,
            threads=self.trained.threads,
            shared=self._shared(),
            data=textwrap.indent(data, "    "),
            module=textwrap.indent(module, "    ").strip(),
            monitor=f"{monitor!r}, {mode!r}",
            trainer=trainer,
        )

    def _data(self, given: Mapping[str, Any]) -> str:
        lines: list[str] = []
        if given.get("datamodule") is not None:
            return f"seed_all(0)\ndata = {{'datamodule': {self._text(given, 'datamodule')}}}"
        size = self._text(given, "batch_size", "32")
        if given.get("data") is not None:
            self.imports += [f"from {LIGHTNING}.seeding import fixed_randomness"]
            lines += ["with fixed_randomness():", f"    train, val = {self._text(given, 'data')}()"]
        elif given.get("train_dataloaders") is not None:
            for name, place in (("train", "train_dataloaders"), ("val", "val_dataloaders")):
                lines += ["seed_all(0)", f"{name} = {self._text(given, place, 'None')}"]
        else:
            return "data = {}"
        self.imports += [f"from {LIGHTNING}.rows import loader, prepared"]
        return "\n".join(
            [
                *lines,
                "data = {",
                f"    'train_dataloaders': loader(prepared(train), {size}, shuffle=True),",
                f"    'val_dataloaders': None if val is None else loader(prepared(val), {size}, shuffle=False),",
                "}",
            ]
        )

    def _trainer(self, given: Mapping[str, Any], package: str) -> str:
        trainer = _arguments(given.get("trainer"))
        callbacks = [self.source(item, "trainer.callbacks") for item in _listed(trainer.pop("callbacks", None))]
        if trainer.pop("enable_checkpointing", None):
            callbacks.append(f"{package}.callbacks.ModelCheckpoint()")
        for name in ("max_epochs", "num_nodes"):
            trainer.pop(name, None)
        arguments = {
            "accelerator": "'auto'" if self.trained.gpu else "'cpu'",
            "devices": "1",
            "logger": "False",
            "enable_progress_bar": "False",
            "enable_model_summary": "False",
            "num_sanity_val_steps": "0",
            **{name: self.source(value, f"trainer.{name}") for name, value in trainer.items()},
            "max_epochs": "EPOCHS",
            "callbacks": f"[{', '.join([*callbacks, 'printed'])}]",
        }
        return ",\n        ".join(f"{name}={text}" for name, text in arguments.items())

    def _longest(self, given: Mapping[str, Any]) -> int:
        """The epochs of a whole training."""
        trainer = _arguments(given.get("trainer"))
        return int(given.get("max_epochs") or trainer.get("max_epochs") or scripts.EPOCHS)

    def _package(self, given: Mapping[str, Any]) -> str:
        """Which Lightning the user's own parts are made for."""
        from raynas.evaluator.lightning.packages import common_package

        parts = [given.get("module_class"), given.get("datamodule"), *_arguments(given.get("trainer")).values()]
        hints = []
        for part in (item for value in parts for item in _listed(value)):
            if isinstance(part, dict) and "$call" in part:
                hints.append(self.decode.call({"$call": part["$call"]}).target)
            elif isinstance(part, dict):
                hints.append(self.decode(part))
        package = common_package(hints)
        for name in ("Trainer", "trainer.Trainer"):
            self.faces[f"{LIGHTNING}.{name}"] = f"{package}.Trainer"
        return package

    def _function(self, document: Any) -> str:
        given = _bound(document)
        function = self._text(given, "fn")
        named = [f"{key}={self.source(arg, key)}" for key, arg in given.get("**", {}).items()]
        fn = self.decode(given["fn"])
        wanted = "context" in _parameters(fn) and "context" not in given.get("**", {})
        made = f"{function}({', '.join(['model', *named, *(['context=context'] if wanted else [])])})"
        return self._plain("", made, wanted)

    def _evaluator(self, document: Any) -> str:
        made = self.source(document, "evaluator")
        return self._plain(f"seed_all(0)\n    evaluator = {made}\n    ", "evaluator.evaluate(model, context)", True)

    def _plain(self, before: str, made: str, context: bool) -> str:
        self.imports += [
            "import json",
            "from pathlib import Path",
            "import torch",
            f"from {LIGHTNING}.seeding import seed_all",
            *(["from raynas.evaluator.evaluator import Context"] if context else []),
        ]
        device = "'cuda' if torch.cuda.is_available() else 'cpu'" if self.trained.gpu else "'cpu'"
        budget = f", budget={self.trained.budget!r}" if self.trained.budget is not None else ""
        told = f"context = Context(seed=SEED, device=device{budget}, send=printed)\n    " if context else ""
        return scripts.PLAIN.format(
            seed=self.trained.seed,
            threads=self.trained.threads,
            shared=self._shared(),
            before=before,
            device=device,
            context=told,
            made=made,
            printed=scripts.PRINTED if context else "",
        )

    def _text(self, given: Mapping[str, Any], name: str, default: str = "") -> str:
        return self.source(given[name], name) if given.get(name) is not None else default

    def _shared(self) -> str:
        return "".join(f"    {line}\n" for line in self.source.lines)


def _bound(document: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a recorded call by the names of the parameters; those of `**` under that."""
    parameters = _parameters(imported(document["$call"]))
    given = dict(zip(parameters, document.get("args", ()), strict=False))
    rest = {}
    for name, value in document.get("kwargs", {}).items():
        if name in parameters and parameters[name].kind is not inspect.Parameter.VAR_KEYWORD:
            given[name] = value
        else:
            rest[name] = value
    return {**given, **({"**": rest} if rest else {})}


def _parameters(target: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return {}


def _arguments(trainer: Any) -> dict[str, Any]:
    """The trainer's arguments, be it a mapping or a recorded Trainer."""
    if trainer is None:
        return {}
    if "$same" in trainer:
        raise SerializationError("trainer stands elsewhere, too, and cannot be written apart: give it once")
    return dict(trainer.get("kwargs", {}) if "$call" in trainer else trainer)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict) and ("$list" in value or "$tuple" in value):
        return list(value["$list"] if "$list" in value else value["$tuple"])
    return list(value) if isinstance(value, list) else [] if value is None else [value]
