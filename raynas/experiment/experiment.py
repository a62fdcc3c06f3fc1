"""Experiment: what a user configures and runs."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raynas import plugins, serializer
from raynas.engine import Resources
from raynas.engine.travel import pack
from raynas.errors import ConfigError, SampleError
from raynas.evaluator import Evaluator
from raynas.experiment.assembly import MakeEngine
from raynas.experiment.conduct import check_standing, conduct_here, conduct_in_ray, leave_in_ray, raise_failure
from raynas.experiment.follow import OnProgress, check_room
from raynas.experiment.given import at_least, flag, instance, mapping, objectives, samples
from raynas.experiment.opening import Opening
from raynas.experiment.outside import outside
from raynas.experiment.place import Place, place
from raynas.experiment.result import Result
from raynas.experiment.signals import TERMINATED, Terminated, terminable
from raynas.experiment.start import Start
from raynas.experiment.user_code import code_digest
from raynas.graph import GraphSpace
from raynas.pytorch import trace
from raynas.pytorch.constraints import Constraint, validate
from raynas.pytorch.inputs import describe
from raynas.search import RunDefinition
from raynas.search_space import SearchSpace
from raynas.serializer import Bytes
from raynas.strategy import Stopper, Strategy
from raynas.trial.history import Direction

if TYPE_CHECKING:
    from torch import nn

JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Ray sets this in the process that a submitted job runs."""


class Experiment:
    """A search: what is searched, by what it is judged, and how far it may go.

    Args:
        space: a `ModelSpace`, a function that builds a model, or what `raynas.trace` returned.
        evaluator: trains and judges a candidate; choices may stand among its arguments.
        strategy: a registered name, "module:Class", a strategy, or a strategy class.
        strategy_arguments: constructor arguments, where `strategy` is a name or a class.
        objective: the metric to judge by, large is good; or a mapping from metric to "max" or "min", of which the
            first one decides what is best; a loss needs one. `params`, the number of parameters, need not come from
            the evaluator.
        max_trials: how many trials may be trained, in all starts of the run; None: no limit.
        max_time: seconds for this start; None: no limit.
        trial_timeout: seconds that one attempt of a trial may take; the trial has failed then, and its worker is ended.
            In this process ("local") only a report can end it, so what reports nothing is waited for. None: no limit.
        resources: what one trial takes: num_cpus (1), num_gpus (0), custom.
        max_concurrent: how many trials run at once at most; None: as many as there is room for.
        name: the run's. The same name again goes on where that run stopped, and may change max_trials, max_time,
            trial_timeout, max_concurrent and resources. None: a new name that tells the time.
        storage_path: the folder in which the run's folder is made.
        store: URL of a database; None: an SQLite file in the run's folder.
        seed: of the strategy's choices and of all trainings.
        engine: "ray"; "local" for this process, one trial after the other; or a function that makes an engine.
        initial_samples: tried before the strategy is asked.
        replicates: how often every candidate is trained, each time with another seed.
        dedup: whether a candidate that was trained before shares that result, also when its samples differ.
        constraints: bounds that a candidate must keep to be trained: `{"params": "<=500k", "flops": "<=50M"}`, for one
            example of the evaluator's data; or functions of the candidate's `Profile`, by any name.
        stopper: ends trials between their reports: a registered name, "module:Class", a stopper, or a stopper class.
        stopper_arguments: constructor arguments, where `stopper` is a name or a class.
        keep_weights: of how many best trials the weights stay.
        verbose: whether Ray and the workers may print.

    Raises:
        ConfigError: an argument cannot be used.
    """

    def __init__(
        self,
        space: nn.Module | Callable[[], nn.Module] | GraphSpace,
        evaluator: Evaluator,
        strategy: str | Strategy | type[Strategy] = "regularized_evolution",
        *,
        strategy_arguments: Mapping[str, Any] | None = None,
        objective: str | Mapping[str, Direction] = "val_accuracy",
        max_trials: int | None = None,
        max_time: float | None = None,
        trial_timeout: float | None = None,
        resources: Mapping[str, Any] | None = None,
        max_concurrent: int | None = None,
        name: str | None = None,
        storage_path: str | os.PathLike[str] = "runs",
        store: str | None = None,
        seed: int = 0,
        engine: str | MakeEngine = "ray",
        initial_samples: Sequence[Mapping[str, Any]] = (),
        replicates: int = 1,
        dedup: bool = True,
        stopper: str | Stopper | type[Stopper] | None = None,
        stopper_arguments: Mapping[str, Any] | None = None,
        constraints: Mapping[str, Constraint] | None = None,
        keep_weights: int = 1,
        verbose: bool = False,
    ) -> None:
        self._space = space
        self.evaluator = instance(evaluator, Evaluator, "evaluator")
        self.strategy = plugins.make(strategy, strategy_arguments)
        self._strategy = (strategy, dict(strategy_arguments or {})) if isinstance(strategy, str) else None
        self.objectives = objectives(objective)
        known = self.evaluator.metric_names()
        strange = next((name for name in self.objectives if name not in (*(known or ()), "params")), None)
        if known is not None and strange is not None:
            raise ConfigError(
                f"the objective '{strange}' is none of the evaluator's ({', '.join(known)}): name one of those"
            )
        self.max_trials = at_least(max_trials, 1, "max_trials", whole=True)
        self.max_time = at_least(max_time, 0, "max_time")
        self.trial_timeout = at_least(trial_timeout, 1e-3, "trial_timeout")
        self.resources = Resources.parse(mapping(resources, "resources"))
        self.max_concurrent = at_least(max_concurrent, 1, "max_concurrent", whole=True)
        self.place: Place = place(name, storage_path, store, engine == "ray" and JOB in os.environ)
        self.seed = at_least(seed, -math.inf, "seed", whole=True, required=True)
        if engine not in ("ray", "local") if isinstance(engine, str) else not callable(engine):
            raise ConfigError(f"engine is {engine!r:.80}: use 'ray' or 'local'")
        self.engine = engine
        self.initial_samples = samples(initial_samples)
        self.replicates = at_least(replicates, 1, "replicates", whole=True, required=True)
        self.dedup = flag(dedup, "dedup")
        if stopper is None and stopper_arguments:
            raise ConfigError("stopper_arguments are given and no stopper: name one, or leave them out")
        self.stopper = None if stopper is None else plugins.make_stopper(stopper, stopper_arguments)
        self._stopper = (stopper, dict(stopper_arguments or {})) if isinstance(stopper, str) else None
        self.keep_weights = at_least(keep_weights, 0, "keep_weights", whole=True, required=True)
        self.verbose = flag(verbose, "verbose")
        self._needed: list[str] = []
        self._opening: Opening | None = None
        self.constraints = mapping(constraints, "constraints")
        validate(self.constraints)

    @property
    def name(self) -> str:
        """The run's."""
        return self.place.name

    @property
    def watching(self) -> bool:
        """Whether `run` is watching a search that another process has started."""
        return self._opening is not None and self._opening.watching

    @cached_property
    def graph_space(self) -> GraphSpace:
        """The model, traced; with the evaluator's first batch, where it gives one."""
        if isinstance(self._space, GraphSpace):
            return self._space
        return trace(self._space, self.evaluator.example_inputs())

    @cached_property
    def search_space(self) -> SearchSpace:
        """All choices: the model's and the evaluator's."""
        serializer.name_choices(self.evaluator)
        leaves = {leaf.named(): leaf for leaf in serializer.choices(self.evaluator)}
        return self.graph_space.search_space.merged(SearchSpace([leaf.domain() for leaf in leaves.values()]))

    def run(self, on_progress: OnProgress | None = None) -> Result:
        """Search, or go on with the run of this name, to the end.

        Where another process searches it already, in Ray, this one watches that, and goes on with the run if that one
        is killed. What is watched only, Ctrl-C does not stop.

        Args:
            on_progress: is shown where the search stands, about ten times a second.

        Returns:
            What was found. Where the run had ended before, nothing is trained.

        Raises:
            RunMismatchError: a run of this name was begun otherwise; it is left untouched.
            ResourceError: no node can give what a trial takes.
            SearchError: the search cannot go on; with the traceback as a note. Or it goes on elsewhere, within other
                limits than these.
            KeyboardInterrupt: after Ctrl-C, when what has been trained is stored; or somebody has stopped the search.
            SystemExit: after SIGTERM, likewise.
        """
        show = on_progress or _nobody
        try:
            with terminable():
                opening = self._opened()
                if not opening.begin(show):
                    return self.result()
                if self.engine == "ray":
                    with opening.giving_up():
                        ending = conduct_in_ray(self.place, self.resources, self._modules(), self.verbose, show)
                else:
                    ending = conduct_here(self.place, None if isinstance(self.engine, str) else self.engine, show)
        except Terminated:
            raise SystemExit(TERMINATED) from None
        raise_failure(ending)
        return self.result()

    def detach(self) -> Start | None:
        """Have the search begin, or go on, in a Ray cluster that stays, and leave it there.

        It ends when it is done, or by `raynas stop`.

        Returns:
            Where it is; None where the run has ended before.

        Raises:
            ConfigError: there is no such cluster.
            SearchError: another process searches this run already.
        """
        if self.engine != "ray":
            raise ConfigError(f"engine is {self.engine!r}, and only a search in Ray can be left alone: use 'ray'")
        check_standing()
        opening = self._opened()
        if not opening.begin(None):
            return None
        with opening.giving_up():
            return leave_in_ray(self.place, self.resources, self._modules(), self.verbose)

    def _opened(self) -> Opening:
        """This start, of which the store knows nothing yet."""
        in_ray, pickles = self.engine == "ray", dict[str, Bytes]()

        def check() -> None:
            if in_ray:
                check_room(self.resources, self.verbose)

        if not self.place.exists:
            check()
        definition = self.definition(pickles)
        units = self.graph_space.units()
        self._opening = Opening(self.place, definition, pickles, units, in_ray, check, self.verbose)
        return self._opening

    def _modules(self) -> list[str]:
        """The user's modules that have to be sent to other machines, beside the project's folder."""
        elsewhere = os.environ.get("RAY_ADDRESS", "") not in ("", "local")
        return outside(self._needed, os.getcwd()) if elsewhere else []

    def result(self) -> Result:
        """What the run has found so far."""
        return Result(self.place)

    def definition(self, pickles: dict[str, Bytes]) -> RunDefinition:
        """What the store is to know of this experiment; `pickles` takes what has no form in JSON."""
        space = self.search_space
        for number, sample in enumerate(self.initial_samples):
            try:
                space.validate(sample)
            except SampleError as error:
                raise SampleError(f"initial_samples[{number}]: {error}") from None
        self.strategy.check(space, self.objectives, self.max_trials)
        spec, arguments = self._strategy or plugins.recipe(self.strategy)
        stopper, stopper_arguments = self._stopper or (plugins.recipe(self.stopper) if self.stopper else ("", {}))
        documents = {
            "evaluator": _document(self.evaluator, "evaluator", pickles),
            "arguments": _document(arguments, "arguments", pickles),
            "stopper_arguments": _document(stopper_arguments, "stopper_arguments", pickles),
        }
        inputs = describe(self.evaluator.example_inputs())
        if self.constraints:
            if not inputs:
                raise ConfigError(
                    f"constraints on {', '.join(self.constraints)} need an example of the data, and the evaluator has "
                    "none: let its example_inputs() return the tensors of one call"
                )
            documents["constraints"] = _document(self.constraints, "constraints", pickles)
        named = {name for text in documents.values() for name in serializer.trusted_modules(text)}
        carried = {name for text in documents.values() for name in serializer.pickled_names(text)}
        trust = sorted(named.union(self.graph_space.units()))
        plugged = [_name(type(plugin)) for plugin in (self.strategy, self.stopper) if plugin is not None]
        code = pack([*trust, *plugged])
        self._needed = [*trust, *carried, *plugged]
        if code:
            pickles["code"] = code
        return RunDefinition(
            space=self.graph_space.to_json(),
            choices=space.to_json(),
            evaluator=documents["evaluator"],
            strategy=spec,
            arguments=documents["arguments"],
            objectives=self.objectives,
            stopper=stopper,
            stopper_arguments=documents["stopper_arguments"],
            seed=self.seed,
            replicates=self.replicates,
            dedup=self.dedup,
            keep_weights=self.keep_weights,
            initial_samples=self.initial_samples,
            constraints=documents.get("constraints", ""),
            inputs=inputs,
            max_trials=self.max_trials,
            max_time=self.max_time,
            trial_timeout=self.trial_timeout,
            max_concurrent=self.max_concurrent,
            resources=dataclasses.asdict(self.resources),
            code=code_digest([*trust, *carried], [self.evaluator]),
            path=_path(os.getcwd()),
            trust=tuple(trust),
            attached=tuple(sorted(pickles)),
            started=time.time(),
        )


def _path(project: str) -> tuple[str, ...]:
    """This process's import path, also zips on it; what lies below the project's folder also relative to that."""
    whole = [os.path.abspath(place) for place in sys.path if os.path.exists(place or ".")]
    below = [os.path.relpath(folder, project) for folder in whole if Path(folder).is_relative_to(project)]
    return (*whole, *below)


def _document(value: Any, name: str, pickles: dict[str, Bytes]) -> str:
    own: dict[str, Bytes] = {}
    text = serializer.dumps(value, own)
    pickles.update({f"{name}/{key}": data for key, data in own.items()})
    return text


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _nobody(_: Any) -> None:
    """Nobody looks."""
