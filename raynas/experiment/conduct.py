"""Conduct: run a prepared run's search to its end, in this process or in Ray, and tell somebody how it goes."""

from __future__ import annotations

import os
import secrets
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from raynas.engine import ExecutionEngine, Resources, Workplace
from raynas.engine.local_engine import LocalEngine
from raynas.errors import ConfigError, Notice
from raynas.experiment.assembly import MakeEngine, assemble, here
from raynas.experiment.follow import OnProgress, follow, session
from raynas.experiment.place import Place
from raynas.experiment.signals import terminable
from raynas.experiment.start import Start
from raynas.search import Ending, EndKind, Loop, RunDefinition

if TYPE_CHECKING:
    from raynas.engine.ray_engine import RaySession, RemoteHost

LIGHTNING = ("raynas.evaluator.lightning.classification.", "raynas.evaluator.lightning.regression.")
AND_ITS_TRAINING = ("raynas.evaluator.lightning.trainer.Trainer", "torch._dynamo.disable")
"""What a training with these imports only then: Lightning, and torch's compiler, which each optimizer asks for."""

SHOWN = 0.1
"""Seconds between two looks at a search in this process."""


def conduct_here(place: Place, make_engine: MakeEngine | None, on_progress: OnProgress) -> Ending:
    """Search in the calling process; inline, unless the engine does otherwise."""
    shown = -SHOWN

    def engine(workplace: Workplace, resources: Resources) -> ExecutionEngine:
        return (make_engine or LocalEngine)(here(workplace), resources)

    def watch(loop: Loop) -> None:
        nonlocal shown
        if loop.state.ending is not None or time.monotonic() - shown >= SHOWN:
            shown = time.monotonic()
            on_progress(loop.progress())

    with place.open() as store:
        return assemble(
            store, place.artifacts, engine, watch, owner=Start.mine(place.file, in_ray=False).to_text()
        ).run()


def conduct_in_ray(
    place: Place, resources: Resources, modules: Sequence[str], verbose: bool, on_progress: OnProgress
) -> Ending:
    """Search in a Ray actor, and watch it. The first Ctrl-C lets what runs end, the second ends at once."""
    with session(verbose, modules=modules) as ray, terminable():
        _check(ray, resources)
        remote, name = _hosted(ray, place, Start.mine(place.file))
        try:
            _warm(ray, place, resources)
            return follow(remote, on_progress, mine=True)
        finally:
            remote.end()
            ray.withdraw(name)


def leave_in_ray(place: Place, resources: Resources, modules: Sequence[str], verbose: bool) -> Start:
    """Have a search begin in a detached actor of a standing cluster, and leave it there."""
    with session(verbose, modules=modules) as ray, terminable():
        _check(ray, resources)
        start = replace(Start.mine(place.file), detached=True)
        remote, name = _hosted(ray, place, start)
        try:
            news = remote.call("watch", 0)
        except BaseException:
            remote.end()
            ray.withdraw(name)
            raise
        if news.ending is not None:
            raise_failure(news.ending)
        return replace(start, address=ray.address)


def check_standing() -> None:
    """Raise `ConfigError` where the Ray that a search would use ends with this process."""
    if os.environ.get("RAY_ADDRESS", "local") == "local":
        raise ConfigError(
            "a search can only be left to a Ray cluster that stays, and none is named: "
            "start one (ray start --head), and set RAY_ADDRESS=auto, or to its address"
        )


def _check(ray: RaySession, resources: Resources) -> None:
    """Raise `ResourceError` where nothing can ever be trained; else tell, in a line each, what people should know."""
    for note in ray.check(resources):
        warnings.warn(note, Notice, stacklevel=2)


def _hosted(ray: RaySession, place: Place, start: Start) -> tuple[RemoteHost, str]:
    name = f"{place.name}:{secrets.token_hex(4)}"
    whole = replace(start, address=ray.address, actor=name, token=ray.token)
    arguments = {"store": place.store, "name": place.name, "artifacts": place.artifacts, "start": whole.to_text()}
    return ray.host("raynas.experiment.hosted:HostedSearch", arguments, name, start.detached), name


def _warm(ray: RaySession, place: Place, resources: Resources) -> None:
    """Have the workers begin while the search is still being made."""
    with place.open(readonly=True) as store:
        definition = RunDefinition.from_store(store.definition())
    limits = [limit for limit in (definition.max_trials, definition.max_concurrent) if limit is not None]
    names = list(definition.trust)
    if any(name.startswith(LIGHTNING) for name in names):
        names += AND_ITS_TRAINING
    ray.warm(resources, min(limits, default=None), names, definition.path)


def raise_failure(ending: Ending) -> None:
    """Raise what a search ended with, its traceback as a note; nothing where it did not fail."""
    if ending.kind is EndKind.INTERRUPTED:
        raise KeyboardInterrupt
    if ending.kind is not EndKind.FAILED or ending.error is None:
        return
    error = ending.error
    if ending.detail:
        error.add_note(ending.detail)
    raise error
