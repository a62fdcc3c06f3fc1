"""RunDefinition: what a run is asked, as its store keeps it; and what may change when it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any

from raynas import serializer
from raynas.errors import RunMismatchError, StoreError
from raynas.search.rules import UNPAID, Rules
from raynas.search_space import Sample, SearchSpace
from raynas.trial.history import Direction

CHANGEABLE = ("max_trials", "max_time", "trial_timeout", "max_concurrent", "resources")
"""What may be another when a run goes on."""

OF_THIS_START = ("inputs", "code", "path", "trust", "attached", "started")
"""What each start writes anew, and nobody compares."""

NOTHING = object()
"""In the place of a value that one of two documents lacks."""

SHOWN = 5
"""How many differences an error lists."""


@dataclass(frozen=True)
class RunDefinition:
    """What a run is asked.

    Attributes:
        space: the graph space's document.
        choices: the search space's document: the model's choices and the evaluator's.
        evaluator: the evaluator's document, choices in it.
        strategy: the strategy's name, or "module:Class".
        arguments: the document of its constructor arguments.
        objectives: name of each metric to judge by, and its direction.
        stopper: the stopper's name, or "module:Class"; empty: there is none.
        stopper_arguments: the document of its constructor arguments.
        seed: of the experiment.
        replicates: how often every candidate is trained.
        dedup: whether a trial with a known key shares that one's outcome.
        keep_weights: of how many best trials the weights stay.
        initial_samples: tried before the strategy is asked.
        constraints: the document of the bounds that every candidate must keep; empty: there are none.
        inputs: shape and dtype of each argument of one call; empty: not known.
        max_trials: how many trials may cost training; None: any number.
        max_time: seconds for each start; None: no limit.
        trial_timeout: seconds for each attempt of a trial; None: no limit.
        max_concurrent: how many jobs there are at most at once; None: as many as there is room for.
        resources: what one trial takes, as `Resources.parse` reads it.
        code: digest of the user's code that a training runs, beside the graph.
        path: the driver's import path.
        trust: the names that the documents may name.
        attached: names of the pickles that belong to the documents.
        started: when this start began, in seconds since the epoch.
    """

    space: str
    choices: str
    evaluator: str
    strategy: str
    arguments: str
    objectives: Mapping[str, Direction]
    stopper: str = ""
    stopper_arguments: str = ""
    seed: int = 0
    replicates: int = 1
    dedup: bool = True
    keep_weights: int = 1
    initial_samples: tuple[Mapping[str, Any], ...] = ()
    constraints: str = ""
    inputs: tuple[Any, ...] = ()
    max_trials: int | None = None
    max_time: float | None = None
    trial_timeout: float | None = None
    max_concurrent: int | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    path: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()
    started: float = 0.0

    def to_store(self) -> dict[str, str]:
        """One JSON text for each field."""
        return {name: json.dumps(value) for name, value in asdict(self).items()}

    @classmethod
    def from_store(cls, texts: Mapping[str, str]) -> RunDefinition:
        """What `to_store` gave, also that of an older raynas: what it did not know yet has its default.

        Raises:
            StoreError: something is missing, or is no JSON.
        """
        lacking = [item.name for item in fields(cls) if item.name not in texts and _required(item)]
        if lacking:
            raise StoreError(f"the run's definition has no '{lacking[0]}': was it written by raynas?")
        try:
            values: dict[str, Any] = {
                item.name: json.loads(texts[item.name]) for item in fields(cls) if item.name in texts
            }
        except ValueError as error:
            raise StoreError(f"the run's definition cannot be read ({error}): restore it from a copy") from None
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)

    def rules(self, keeps_parents: bool, ends_by_itself: bool) -> Rules:
        """What the search's state has to know."""
        return Rules(
            dict(self.objectives),
            self.max_trials,
            self.max_time,
            self.dedup,
            self.replicates,
            self.keep_weights,
            keeps_parents,
            None if ends_by_itself else UNPAID,
            self.max_concurrent,
            self.trial_timeout,
        )

    def samples(self) -> tuple[Sample, ...]:
        """The initial samples."""
        return tuple(Sample(values) for values in self.initial_samples)


def changes(before: RunDefinition, after: RunDefinition, name: str) -> dict[str, str]:
    """What of a run's definition is to be written for another start of it.

    Args:
        before: as the store has it.
        after: as the start wants it.
        name: the run's name, for the error.

    Raises:
        RunMismatchError: something else differs than may; it lists what.
    """
    old, new = before.to_store(), after.to_store()
    free = {*CHANGEABLE, *OF_THIS_START}
    lines = {key: list(_differences(key, old[key], new[key])) for key in new if key not in free}
    if lines["choices"]:  # the model's document holds its choices, too
        lines["space"] = []
    different = [line for found in lines.values() for line in found]
    if different:
        more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        raise RunMismatchError(
            f"run '{name}' was begun otherwise ({'; '.join(different[:SHOWN])}{more}): "
            "give this search another name, or undo the difference"
        )
    return {key: new[key] for key in new if key in free and old[key] != new[key]}


def _required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _differences(key: str, old: str, new: str) -> Iterator[str]:
    if old == new:
        return
    before, after = json.loads(old), json.loads(new)
    if key == "choices":
        yield from _choices(before, after)
    elif key == "space":
        first = next(_walk("space", json.loads(before), json.loads(after)), "space")
        yield f"the model itself is another ({first})"
    elif key == "objectives" and before == after:
        yield f"objectives: {_short([*before])} → {_short([*after])}, of which the first decides what is best"
    elif key in ("evaluator", "arguments", "stopper_arguments", "constraints") and before and after:
        where = {"arguments": "strategy", "stopper_arguments": "stopper"}.get(key, key)
        yield from _walk(where, json.loads(before).get("value"), json.loads(after).get("value"))
    else:
        yield from _walk(key, before, after)


def _choices(before: str, after: str) -> Iterator[str]:
    old, new = SearchSpace.from_json(before), SearchSpace.from_json(after)
    for domain in old:
        if domain.label not in {other.label for other in new}:
            yield f"choice '{domain.label}' is gone"
        elif new[domain.label] != domain:
            was, now = str(domain), str(new[domain.label])
            yield f"choice '{domain.label}' " + (
                f"was {was} → {now}" if was != now else "counts under other conditions"
            )
    for domain in new:
        if domain.label not in {other.label for other in old}:
            yield f"choice '{domain.label}' is new"


def _walk(path: str, old: Any, new: Any) -> Iterator[str]:
    """Where two JSON values differ, as «path: old → new»."""
    if isinstance(old, dict) and isinstance(new, dict):
        if "$call" in old and old["$call"] == new.get("$call"):
            old, new = (serializer.named_arguments(call) for call in (old, new))
        for key in [*old, *(key for key in new if key not in old)]:
            inner = path if key in ("kwargs", "args") else f"{path}.{key}"
            yield from _walk(inner, old.get(key, NOTHING), new.get(key, NOTHING))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _walk(f"{path}[{place}]", left, right)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield f"{path}: {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = "not given" if value is NOTHING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
