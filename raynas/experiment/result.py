"""Result: what a run has found, read from its store."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from raynas import serializer
from raynas.engine import Resources, artifacts
from raynas.engine.weights import load_weights
from raynas.errors import ConfigError, SearchError, StoreError
from raynas.experiment.assembly import belonging_to
from raynas.experiment.given import at_least
from raynas.experiment.luggage import taken_out
from raynas.experiment.place import Place, find, texts_path
from raynas.experiment.record import Record
from raynas.experiment.retraining import Trained, retraining
from raynas.pytorch import load_module, self_contained
from raynas.search import training_seed
from raynas.trial import History, Trial, TrialState
from raynas.trial.history import scores
from raynas.trial.pareto import hypervolumes

if TYPE_CHECKING:
    from torch import nn


class Result:
    """A run as it stood when this was made.

    Args:
        run: where the run lies, or what its store tells, where somebody has sent that.
    """

    def __init__(self, run: Place | Record) -> None:
        self.record = run if isinstance(run, Record) else Record.read(run)
        self.place = self.record.place
        self.definition = self.record.definition
        self.trials = self.record.trials

    @classmethod
    def open(
        cls, run: str | os.PathLike[str], storage_path: str | os.PathLike[str] = "runs", store: str | None = None
    ) -> Result:
        """The result of a run that was searched before, here or elsewhere.

        Args:
            run: its name, or the path of its folder.
            storage_path: the folder of all runs, for a name.
            store: URL of its database, where it has one.
        """
        return cls(find(run, storage_path, store))

    @property
    def name(self) -> str:
        """The run's."""
        return self.place.name

    @property
    def ending(self) -> str:
        """How the run ended, in a line; empty while it goes on, or after a crash."""
        return (self.record.ended or "").partition(": ")[2]

    @cached_property
    def history(self) -> History:
        """Every proposal and what became of it."""
        return History.of(self.trials, self.definition.objectives)

    @property
    def best(self) -> TrialResult:
        """The best trial; `SearchError` where none has a result."""
        found = self.history.top(1)
        if not found:
            raise SearchError(f"run '{self.name}' has no result: {self._why_nothing()}")
        return TrialResult(self, found[0])

    def top(self, k: int = 5) -> list[TrialResult]:
        """The k best trained trials, best first."""
        count = at_least(k, 0, "k", whole=True, required=True)
        return [TrialResult(self, trial) for trial in self.history.top(count)]

    def pareto(self) -> list[TrialResult]:
        """The trained trials that no other one dominates on all objectives, in the order in which they ended."""
        return [TrialResult(self, trial) for trial in self.history.pareto()]

    def hypervolume(self, reference: Mapping[str, float] | None = None) -> list[float]:
        """How much of the space of outcomes was dominated after each completed trial; it never falls.

        Args:
            reference: a value of each objective that is worse than all that count; None: the worst ones found.
        """
        history = self.history
        points = [history.scores(trial) for trial in history.completed]
        if not points:
            return []
        if reference is None:
            return hypervolumes(points, tuple(map(min, zip(*points, strict=True))))
        missing = next((name for name in history.objectives if name not in reference), None)
        if missing is not None:
            raise ConfigError(f"the reference has no value of '{missing}': give one for each objective")
        return hypervolumes(points, scores(reference, history.objectives))

    def trial(self, number: int) -> TrialResult:
        """The trial with this number."""
        try:
            return TrialResult(self, self.history[number])
        except KeyError:
            raise StoreError(f"run '{self.name}' has no trial {number}: it has {len(self.trials)}, from 0") from None

    def to_pandas(self) -> Any:
        """A data frame with one row for each proposal: number, state, metrics, choices, times."""
        try:
            import pandas  # type: ignore[import-untyped]  # it comes without types, and raynas without it
        except ModuleNotFoundError:
            raise ConfigError("a table needs pandas: pip install pandas") from None
        return pandas.DataFrame(
            [
                {
                    "number": trial.number,
                    "state": str(trial.state),
                    **trial.metrics,
                    **{f"sample.{label}": value for label, value in trial.sample.items()},
                    "twin": trial.twin,
                    "attempts": trial.attempts,
                    "seconds": trial.seconds,
                    "cause": None if trial.cause is None else str(trial.cause),
                }
                for trial in self.trials
            ]
        )

    def _why_nothing(self) -> str:
        for state, what, how in (
            (TrialState.FAILED, "trials failed", "with"),
            (TrialState.INFEASIBLE, "samples could not be trained", "because"),
        ):
            found = Counter(trial.message for trial in self.trials if trial.state is state)
            if found:
                message, count = found.most_common(1)[0]
                return f"{sum(found.values())} {what}, {count} of them {how} {message}"
        return "no trial has ended" if self.trials else "no trial has begun"


def check_apart(*paths: str | os.PathLike[str] | None) -> None:
    """Raise `ConfigError` where two of the paths to write to are one."""
    known = [os.path.abspath(path) for path in paths if path is not None]
    twice = next((path for path in known if known.count(path) > 1), None)
    if twice is not None:
        raise ConfigError(f"{twice} is named for two files to write: give each a name of its own")


class TrialResult:
    """One trial of a run.

    Attributes:
        trial: all that is recorded of it.
    """

    def __init__(self, result: Result, trial: Trial) -> None:
        self._result = result
        self.trial = trial

    def __repr__(self) -> str:
        return f"TrialResult({self.number}, {self.metrics}, {dict(self.sample)})"

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def sample(self) -> Any:
        return self.trial.sample

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.trial.metrics)

    @cached_property
    def source(self) -> str:
        """The generated text that was trained."""
        place = self._result.place
        with place.open(readonly=True) as store:
            source = store.source(self.trial.key.fingerprint)
        if source is None:
            raise StoreError(f"trial {self.number} has no source, because it was never trained ({self.trial.state})")
        return source

    @property
    def has_weights(self) -> bool:
        """Whether its trained weights were kept."""
        path = self.trial.weights
        return path is not None and artifacts.exists(self._result.place.artifacts, path)

    def load(self) -> nn.Module:
        """The trained model; `StoreError` where its weights were not kept."""
        weights = self._weights()
        model = load_module(self.source)
        try:
            model.load_state_dict(weights, strict=True)
        except RuntimeError:  # in many lines
            raise StoreError(
                f"the weights '{self.trial.weights}' do not fit the source of trial {self.number}: "
                "restore the file from a copy, or train the source again"
            ) from None
        return model

    def export(
        self,
        path: str | os.PathLike[str],
        weights: str | os.PathLike[str] | None = None,
        train: str | os.PathLike[str] | None = None,
    ) -> None:
        """Write the candidate as a Python file, and if wanted its trained weights and a script that trains it again.

        Args:
            path: of the Python file, whose class is `Model`.
            weights: of a safetensors file for the weights; None: they are not written.
            train: of a script that trains the candidate as this trial did, and needs no raynas; arrays that it reads
                are written beside it, into a file of the same name that ends in `.npz`. None: it is not written.

        Raises:
            SerializationError: something cannot be written into a file; names it.
            StoreError: the weights were not kept.
            ConfigError: two of the paths are one.
        """
        check_apart(path, weights, train)
        files: dict[str, bytes] = {os.fspath(path): self_contained(self.source, self._texts()).encode()}
        if weights is not None:
            files[os.fspath(weights)] = self._bytes()
        if train is not None:
            files |= self._training(os.fspath(train))
        self._write(files)

    def export_training(self, path: str | os.PathLike[str]) -> None:
        """Write a script that trains the candidate as this trial did; see `export`."""
        self._write(self._training(os.fspath(path)))

    def _write(self, files: Mapping[str, bytes]) -> None:
        try:
            for name, content in files.items():
                with open(name, "wb") as file:
                    file.write(content)
        except OSError as error:
            raise ConfigError(f"trial {self.number} cannot be written to {error.filename}: {error.strerror}") from None

    def _training(self, target: str) -> dict[str, bytes]:
        """Path to content: the script, and the arrays that it reads."""
        place, definition = self._result.place, self._result.definition
        with place.open(readonly=True) as store:
            pieces = taken_out(store, definition.attached, place.artifacts)
        resources = Resources.parse(definition.resources)
        trained = Trained(
            self._title(),
            self.source,
            serializer.resolve(definition.evaluator, self.trial.sample),
            belonging_to("evaluator", pieces),
            definition.trust,
            training_seed(definition.seed, self.trial.key),
            self.trial.budget,
            resources.threads,
            resources.num_gpus > 0,
        )
        made = retraining(trained, self._texts())
        arrays = {f"{os.path.splitext(target)[0]}.npz": made.data()} if made.arrays else {}
        return {target: made.text.encode(), **arrays}

    def _title(self) -> str:
        metric = next(iter(self._result.definition.objectives))
        value = self.trial.metrics.get(metric)
        came = f"\n\n{metric} was {value:.6g}." if value is not None else ""
        parent = self.trial.warm_start
        begun = (
            f" It began with the weights of trial {parent}; this script begins afresh." if parent is not None else ""
        )
        return f"Trains trial {self.number} of the run '{self._result.name}' again, as the search did.{came}{begun}\n"

    def _texts(self) -> dict[str, str] | None:
        """The user's modules as they were when the trial was trained."""
        folder, path = self._result.place.artifacts, texts_path(self.trial.key.code)
        if not artifacts.exists(folder, path):
            return None
        try:
            return dict(json.loads(artifacts.read(folder, path)))
        except (ValueError, TypeError):
            raise StoreError(f"'{path}' in {folder} is damaged: restore it from a copy, or remove it") from None

    def _path(self) -> str:
        path, number, kept = self.trial.weights, self.number, self._result.definition.keep_weights
        if path is not None and self.has_weights:
            return path
        if path is None or number not in {trial.number for trial in self._result.history.top(kept)}:
            raise StoreError(
                f"the weights of trial {number} were not kept (those of the best {kept} are): "
                "set keep_weights higher, or train its source"
            )
        raise StoreError(
            f"the weights of trial {number} are not in {self._result.place.artifacts}, as '{path}': put it back, "
            "give the storage_path of the search, or train the trial's source again"
        )

    def _weights(self) -> dict[str, Any]:
        return load_weights(self._result.place.artifacts, self._path())

    def _bytes(self) -> bytes:
        self._weights()  # damaged ones are refused
        return artifacts.read(self._result.place.artifacts, self._path())
