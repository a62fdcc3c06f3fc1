"""`raynas search`."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from raynas.cli.command import Command, Request, fill_config
from raynas.cli.console import out, say, shown
from raynas.cli.display import Display, duration
from raynas.cli.submit import submit, without
from raynas.config import dump, settings
from raynas.engine import artifacts
from raynas.errors import ConfigError, RaynasError

if TYPE_CHECKING:
    from raynas.experiment import Experiment, Result
    from raynas.experiment.place import Place
    from raynas.experiment.record import Record
    from raynas.search import Progress


def run(request: Request) -> int:
    from raynas.config.making import make

    begun = time.monotonic()
    values = request.values()
    if request.given.get("submit"):
        return _submit(values, request)
    experiment = make(settings(values), request.verbose)
    size = experiment.search_space.size()
    say(
        f"run '{experiment.name}' in {shown(experiment.place.folder)}: "
        f"{'endless' if size is None else f'{size:,}'} samples, {type(experiment.strategy).__name__}"
    )
    if request.given.get("detach"):
        return _detach(experiment, values, request)
    with (
        _loud(request.verbose),
        Display(experiment.max_trials) as display,
        _announced(display, experiment) as pressed,
    ):
        record = _Record(experiment, values, display)
        try:
            result = experiment.run(record.show)
        except KeyboardInterrupt:
            record.interrupted(request, "interrupted" if pressed else "somebody has stopped it")
            return 130
        except SystemExit:
            record.interrupted(request, "interrupted")
            raise
    if display.latest is None:
        say(
            f"run '{result.name}' has ended before ({result.ending}), so nothing was trained: "
            "raise --max_trials to go on, or give another --name"
        )
    conclude(result, None if display.latest is None else time.monotonic() - begun)
    return 0


def _submit(values: dict[str, Any], request: Request) -> int:
    from raynas.experiment.place import place

    known = settings(values)
    if known.engine == "ray":
        place(known.name, known.storage_path, known.store, in_job=True)  # what it refuses, it would refuse there
    config = request.given.config
    if os.path.relpath(config).startswith(".."):
        raise ConfigError(f"{config} is not below this folder, which is what the job gets: start in the project's")
    words = [os.path.relpath(config) if word == config else word for word in request.arguments]
    return submit(request.given.submit, without(words, "--submit"), os.getcwd())


def _detach(experiment: Experiment, values: dict[str, Any], request: Request) -> int:
    with _loud(request.verbose):
        start = experiment.detach()
    run = shlex.quote(experiment.name)
    if start is None:
        say(f"run '{experiment.name}' has ended before, so nothing was begun: raise --max_trials to go on")
        return 0
    _keep(experiment, values)
    out().print(f"run '{experiment.name}' goes on in the cluster at {start.address}", soft_wrap=True)
    say(f"watch it: raynas attach {run}; end it: raynas stop {run}; from elsewhere with --address ADDRESS")
    return 0


def _keep(experiment: Experiment, values: dict[str, Any]) -> None:
    """Keep the configuration in the run's folder."""
    text = dump({**values, "name": experiment.name})
    artifacts.write(experiment.place.folder, "config.yaml", text.encode())


class _Record:
    """Shows progress, and keeps the configuration in the run's folder from the moment on at which there is one."""

    def __init__(self, experiment: Experiment, values: dict[str, Any], display: Display) -> None:
        self._experiment, self._values, self._display = experiment, values, display

    def show(self, progress: Progress) -> None:
        if self._display.latest is None and not self._experiment.watching:
            _keep(self._experiment, self._values)
        self._display.show(progress)

    def interrupted(self, request: Request, what: str) -> None:
        if self._experiment.watching:
            text = f"not watching any more; the search goes on: raynas attach {shlex.quote(self._experiment.name)}"
            self._display.tell(text)
            return
        command = shlex.join(["raynas", *request.arguments])
        if not self._values.get("name"):
            command += f" --name {self._experiment.name}"
        from raynas.experiment.record import Record

        place = self._experiment.place
        with suppress(RaynasError):
            what += so_far(Record.read(place)) if place.exists else ""
        self._display.tell(f"{what}; to go on: {command}")


def so_far(record: Record) -> str:
    """How far a search has come that has ended early."""
    total = record.definition.max_trials
    return f" after {record.done}{'' if total is None else f' of {total}'} trials"


@contextmanager
def _loud(verbose: bool) -> Iterator[None]:
    """Within it, where it is wanted, Lightning talks, in the workers too: they get this process's environment."""
    before = os.environ.get("RAYNAS_VERBOSE")
    if verbose:
        os.environ["RAYNAS_VERBOSE"] = "1"
    try:
        yield
    finally:
        if verbose and before is None:
            del os.environ["RAYNAS_VERBOSE"]


@contextmanager
def _announced(display: Display, experiment: Experiment) -> Iterator[list[bool]]:
    """Within it, Ctrl-C is answered at once, as what runs in Ray is given the time to end; gives what was pressed."""
    answers = iter(["stopping when the running trials have ended; Ctrl-C again stops at once", "stopping"])

    pressed: list[bool] = []

    def interrupt(number: int, frame: Any) -> None:
        pressed.append(True)
        answer = None if experiment.watching else next(answers, None)
        if answer is not None:
            display.tell(answer)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()  # which alone hears signals
    before = signal.signal(signal.SIGINT, interrupt) if experiment.engine == "ray" and main else None
    if before is None:
        pressed.append(True)
    try:
        yield pressed
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def fill_search(parser: ArgumentParser) -> None:
    fill_config(parser)
    parser.add_argument(
        "--detach", action="store_true", help="leave the search to the cluster that RAY_ADDRESS names, which stays"
    )
    parser.add_argument(
        "--submit",
        type=str | None,
        default=None,
        metavar="ADDRESS",
        help="do it as a job of the cluster with this dashboard, http://HOST:8265, to which this folder is copied",
    )


def conclude(result: Result, seconds: float | None) -> None:
    """Say what came out, and after how long, Ray's start included; None: that is not known."""
    best = result.best
    metric = next(iter(result.definition.objectives))
    took = "" if seconds is None else f" in {duration(seconds)}"
    out().print(f"{result.record.done} trials{took}, best {metric} {best.metrics[metric]:.4f} (trial {best.number})")
    run = _named(result.place)
    say(f"see them: raynas top {run}; take the best: raynas export {run} -o best.py")


def _named(place: Place) -> str:
    """A run as the other commands take it; a URL may hold a password, and is left to the user."""
    folder = shown(place.folder)
    if place.own_store:
        return shlex.quote(place.name if folder == f"runs/{place.name}" else folder)
    store = shlex.quote(shown(place.file)) if place.file else "URL"
    parent = folder.rpartition("/")[0]
    where = "" if parent == "runs" else f" --storage_path {shlex.quote(parent or '.')}"
    return f"{place.name}{where} --store {store}"


SEARCH = Command("search, or go on with the run of this name", fill_search, run)
