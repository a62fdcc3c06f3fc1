"""`raynas search`."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from raynas.cli.command import Command, Request, fill_config
from raynas.cli.console import out, say, shown
from raynas.cli.display import Display, duration
from raynas.config import dump, settings
from raynas.engine import artifacts

if TYPE_CHECKING:
    from raynas.experiment import Experiment, Result
    from raynas.search import Progress


def run(request: Request) -> int:
    from raynas.config.making import make

    begun = time.monotonic()
    values = request.values()
    experiment = make(settings(values), request.verbose)
    size = experiment.search_space.size()
    say(
        f"run '{experiment.name}' in {shown(experiment.place.folder)}: "
        f"{'endless' if size is None else f'{size:,}'} samples, {type(experiment.strategy).__name__}"
    )
    with _loud(request.verbose), Display() as display, _announced(display, experiment.engine == "ray"):
        record = _Record(experiment, values, display)
        try:
            result = experiment.run(record.show)
        except KeyboardInterrupt:
            record.interrupted(request)
            return 130
    if display.latest is None:
        say(
            f"run '{result.name}' has ended before ({result.ending}), so nothing was trained: "
            "raise --max_trials to go on, or give another --name"
        )
    _conclude(result, None if display.latest is None else time.monotonic() - begun)
    return 0


class _Record:
    """Shows progress, and keeps the configuration in the run's folder from the moment on at which there is one."""

    def __init__(self, experiment: Experiment, values: dict[str, Any], display: Display) -> None:
        self._experiment, self._values, self._display = experiment, values, display

    def show(self, progress: Progress) -> None:
        if self._display.latest is None:
            text = dump({**self._values, "name": self._experiment.name})
            artifacts.write(self._experiment.place.folder, "config.yaml", text.encode())
        self._display.show(progress)

    def interrupted(self, request: Request) -> None:
        command = shlex.join(["raynas", *request.arguments])
        if not self._values.get("name"):
            command += f" --name {self._experiment.name}"
        latest = self._display.latest
        how_far = "" if latest is None else f" after {latest.done}{_of(latest)} trials"
        self._display.tell(f"interrupted{how_far}; to go on: {command}")


def _of(progress: Progress) -> str:
    return "" if progress.total is None else f" of {progress.total}"


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
def _announced(display: Display, patient: bool) -> Iterator[None]:
    """Within it, Ctrl-C is answered at once, as what runs is given the time to end where the search is `patient`."""
    answers = iter(["stopping when the running trials have ended; Ctrl-C again stops at once", "stopping"])

    def interrupt(number: int, frame: Any) -> None:
        answer = next(answers, None)
        if answer is not None:
            display.tell(answer)
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()  # which alone hears signals
    before = signal.signal(signal.SIGINT, interrupt) if patient and main else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _conclude(result: Result, seconds: float | None) -> None:
    """Say what came out, and after how long, Ray's start included; None: nothing was done."""
    best = result.best
    metric = next(iter(result.definition.objectives))
    took = "" if seconds is None else f" in {duration(seconds)}"
    trained = sum(trial.attempts > 0 for trial in result.trials)
    out().print(f"{trained} trials{took}, best {metric} {best.metrics[metric]:.4f} (trial {best.number})")
    run = result.name if shown(result.place.folder) == f"runs/{result.name}" else shown(result.place.folder)
    run = shlex.quote(run)
    say(f"see them: raynas top {run}; take the best: raynas export {run} -o best.py")


SEARCH = Command("search, or go on with the run of this name", fill_config, run)
