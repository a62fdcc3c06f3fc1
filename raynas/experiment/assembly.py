"""Assembly: a run as its store describes it, made into a loop that can search. The same for every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from raynas import serializer
from raynas.engine import ExecutionEngine, Job, Keep, Resources, Workplace, artifacts
from raynas.engine.checkpoint import STATES, state_path
from raynas.errors import StoreError
from raynas.experiment.luggage import taken_out
from raynas.graph import Graph, GraphSpace
from raynas.graph.fingerprint import settled_fingerprint
from raynas.plugins import make, make_stopper
from raynas.pytorch import profile
from raynas.pytorch.codegen import settled_source
from raynas.pytorch.constraints import check
from raynas.pytorch.inputs import made_of
from raynas.pytorch.trace import WORKSHOP
from raynas.search import Designs, Examiner, Loop, Planner, RunDefinition, SearchState, keeps_parents, training_seed
from raynas.search.decisions import Submit
from raynas.search_space import Sample, SearchSpace
from raynas.serializer import Bytes
from raynas.store import Store
from raynas.trial import Trial, TrialState

MakeEngine = Callable[[Workplace, Resources], ExecutionEngine]

DONE = (TrialState.FINISHED, TrialState.STOPPED, TrialState.FAILED)

WEIGHTS = "weights"
"""The folder of weights among the artifacts."""


@dataclass(frozen=True)
class Simplified:
    """A candidate: a simplified graph, which nobody else gets into his hands."""

    graph: Graph

    def fingerprint(self) -> str:
        return settled_fingerprint(self.graph)

    def source(self) -> str:
        return settled_source(self.graph)


def designs_of(definition: RunDefinition, pickles: Mapping[str, Bytes]) -> Designs:
    """What the run's samples stand for."""
    graphs = GraphSpace.from_json(definition.space, trust=definition.trust, workshop=WORKSHOP)
    labels = {domain.label for domain in graphs.search_space}
    has_choices = bool('"$choice"' in definition.evaluator)

    def candidate(sample: Sample) -> Simplified:
        return Simplified(graphs.candidate({k: v for k, v in sample.items() if k in labels}))

    def evaluator(sample: Sample) -> str:
        return serializer.resolve(definition.evaluator, sample) if has_choices else definition.evaluator

    reject = _rejection(definition, pickles)
    return Designs(SearchSpace.from_json(definition.choices), candidate, evaluator, definition.code, reject)


def _rejection(definition: RunDefinition, pickles: Mapping[str, Bytes]) -> Callable[[Simplified, Sample], str | None]:
    """What keeps a candidate from being trained: that it cannot run, or breaks a constraint; found on meta tensors."""
    attachments = belonging_to("constraints", pickles)
    bounds = serializer.loads(definition.constraints, attachments, definition.trust) if definition.constraints else {}
    inputs = made_of(definition.inputs)

    def reject(candidate: Simplified, sample: Sample) -> str | None:
        return check(profile(candidate.graph, inputs, sample), bounds) if inputs else None

    return reject


def examiner(given: tuple[RunDefinition, Mapping[str, Bytes]]) -> Examiner:
    """What examines a run's samples, made of its definition and of what belongs to that; for other processes."""
    return Examiner(designs_of(*given))


def belonging_to(document: str, attachments: Mapping[str, Bytes]) -> dict[str, Bytes]:
    """A document's own attachments, under the names that it knows."""
    prefix = f"{document}/"
    return {name.removeprefix(prefix): data for name, data in attachments.items() if name.startswith(prefix)}


def assemble(
    store: Store,
    folder: str,
    make_engine: MakeEngine,
    watch: Callable[[Loop], None] | None = None,
    threaded: bool = False,
    prepare: Callable[[RunDefinition, bytes], None] | None = None,
    owner: str = "",
) -> Loop:
    """Take over a run, and make its loop.

    Args:
        store: the run's, open for writing.
        folder: URI of its artifacts.
        make_engine: makes the engine, of what all jobs share and what each takes.
        watch: is shown every step.
        threaded: whether planning goes on beside the loop.
        prepare: is given the definition and the user's pickled code, before anything is read that may need it.
        owner: who takes over, for the store.
    """
    definition = RunDefinition.from_store(store.definition())
    epoch = store.new_epoch(owner)
    pickles = taken_out(store, definition.attached, folder)
    code = bytes(pickles.get("code", b""))
    if prepare is not None:
        prepare(definition, code)
    arguments = serializer.loads(definition.arguments, belonging_to("arguments", pickles), definition.trust)
    strategy = make(definition.strategy, arguments)
    stopper = None
    if definition.stopper:
        text = definition.stopper_arguments
        stopper = make_stopper(
            definition.stopper, serializer.loads(text, belonging_to("stopper_arguments", pickles), definition.trust)
        )
    designs = designs_of(definition, pickles)
    rules = definition.rules(keeps_parents(strategy), strategy.ends_by_itself)
    present = frozenset(artifacts.names(folder, WEIGHTS))
    trials = store.trials()
    state = SearchState(rules, trials, stopper.should_stop if stopper else None, present)
    # The state of an open trial is what its next attempt goes on from.
    needed = state.kept.numbers().union(trial.number for trial in state.ledger.freeze().open)
    states = {state_path(number) for number in needed}
    for path in sorted(present - state.kept.paths()) + [n for n in artifacts.names(folder, STATES) if n not in states]:
        drop(folder, path)
    resources = Resources.parse(definition.resources)
    place = Workplace(
        folder,
        code,
        belonging_to("evaluator", pickles),
        definition.trust,
        definition.path,
        resources.threads,
    )
    metric = rules.metric

    def job(submit: Submit, source: str) -> Job:
        trial, attempt = submit.trial, submit.trial.attempts + 1
        path = f"{WEIGHTS}/{trial.number}-{epoch}-{attempt}.safetensors"
        return Job(
            trial.number,
            attempt,
            source,
            designs.evaluator(trial.sample),
            training_seed(definition.seed, trial.key),
            trial.budget,
            submit.warm_start,
            None if trial.warm_start is None else state_path(trial.warm_start),
            state_path(trial.number),
            Keep(path, metric, rules.objectives[metric], submit.better_than) if submit.keep else None,
            "params" in rules.objectives,
        )

    def forget(trial: int, weights: str | None) -> None:
        for path in (weights, state_path(trial)):
            if path is not None:
                drop(folder, path)

    engine = make_engine(place, resources)
    constraints = {name: data for name, data in pickles.items() if name.startswith("constraints/")}
    over, done_before = behind(definition, trials, time.time())
    return Loop(
        state,
        Planner(strategy, designs, definition.seed, definition.samples(), definition.replicates),
        engine,
        store,
        epoch,
        job,
        forget,
        watch,
        threaded,
        over,
        done_before,
        engine.calls("raynas.experiment.assembly:examiner", (definition, constraints)),
    )


def behind(definition: RunDefinition, trials: Sequence[Trial], now: float) -> tuple[float, int]:
    """What of this start of a run is over already, as when Ray has made its actor again.

    Args:
        definition: the run's.
        trials: those it has.
        now: seconds since 1970.

    Returns:
        The seconds that it has taken, and how many trials had been trained before it.
    """
    own = [trial for trial in trials if trial.proposed >= definition.started]
    begun = definition.started if definition.max_time is not None else min((t.proposed for t in own), default=now)
    seconds = max(0.0, now - begun)
    done = [trial for trial in trials if trial.state in DONE and trial.twin is None]
    before = sum(trial.ended is None or trial.ended < definition.started for trial in done)
    return seconds if definition.max_time is None else min(seconds, definition.max_time), before


def drop(folder: str, path: str) -> None:
    """Remove a file; what cannot be removed is no reason to end a search."""
    with suppress(OSError, StoreError):
        artifacts.remove(folder, path)


def here(place: Workplace) -> Workplace:
    """The workplace for jobs in this very process, which has the user's code already."""
    return replace(place, code=b"", path=())
