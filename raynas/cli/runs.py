"""`raynas status`, `top`, `export` and `report`: what a run has found."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser
from rich import box
from rich.table import Table as Rendered

from raynas.cli.command import Command, Request
from raynas.cli.console import out, say, shown
from raynas.cli.display import duration
from raynas.errors import ConfigError, SerializationError, StoreError
from raynas.report import Table, described, page, ranking, states

if TYPE_CHECKING:
    from raynas.experiment import Result


def fill_run(parser: ArgumentParser) -> None:
    """Add the run and where to look for it."""
    parser.add_argument("run", type=str, help="a run's name, or the path of its folder")
    parser.add_argument("--storage_path", type=str, default="runs", help="the folder of all runs")
    parser.add_argument("--store", type=str | None, default=None, help="URL of the run's database, if it has one")


def fill_afar(parser: ArgumentParser) -> None:
    """Add the run, where to look for it, and in which cluster."""
    fill_run(parser)
    parser.add_argument(
        "--address",
        type=str | None,
        default=None,
        help="of the cluster that searches it, which is asked instead of its folder: HOST:6379, "
        "or http://HOST:8265 from outside it",
    )


def opened(request: Request) -> Result:
    """The named run's result so far."""
    from raynas.experiment import Result

    given = request.given
    if given.get("address"):
        from raynas.experiment.afar import record_from

        return Result(record_from(given.run, given.address, request.verbose))
    return Result.open(given.run, given.get("storage_path", "runs"), given.get("store"))


def render(table: Table) -> Rendered:
    """A table for a terminal."""
    made = Rendered(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, caption=table.note or None)
    for column in table.columns:
        made.add_column(column, overflow="fold")
    for row in table.rows:
        made.add_row(*row)
    return made


def status(request: Request) -> int:
    result, console = opened(request), out()
    number = request.given.get("trial")
    if number is not None:
        console.print("\n".join(_story(result, number)), soft_wrap=True)
        return 0
    epoch = result.record.epoch
    age = "never begun" if epoch is None else f"last written {duration(max(0.0, time.time() - epoch.heartbeat))} ago"
    ending = f"ended: {result.ending}" if result.ending else f"going on, or cut off: {age}"
    console.print(f"run '{result.name}', {ending}", soft_wrap=True)
    console.print(render(states(result.trials)))
    if result.history.completed:
        best = result.best
        metric = next(iter(result.definition.objectives))
        console.print(f"best {metric}: {best.metrics[metric]:.4f} (trial {best.number})")
    return 0


def fill_status(parser: ArgumentParser) -> None:
    fill_afar(parser)
    parser.add_argument(
        "--trial", type=int | None, default=None, help="a trial's number: its outcome, of a failed one its last output"
    )


def _story(result: Result, number: int) -> list[str]:
    """One trial in lines; the traceback and last output of a failed one last."""
    trial = result.trial(number).trial
    trained = trial if trial.twin is None else result.trial(trial.twin).trial
    cause = f" ({trial.cause})" if trial.cause is not None else ""
    shared = f", the outcome of its twin, trial {trial.twin}" if trial.twin is not None else ""
    lines = [f"trial {number}: {trial.state}{cause}{shared}, {described(trial)}"]
    if trained.attempts:
        took = f", the last one took {trained.seconds:.2f} s" if trained.seconds else ""  # a dead worker does not say
        lines.append(f"attempts: {trained.attempts}{took}")
    if trial.metrics:
        lines.append(", ".join(f"{name}={value:.6g}" for name, value in trial.metrics.items()))
    return [*lines, *filter(None, (trial.message, trained.detail.rstrip("\n")))]


def top(request: Request) -> int:
    k = request.given.get("k", 5)
    if k < 1:
        raise ConfigError(f"-k is {k}: give a whole number from 1")
    result = opened(request)
    _ = result.best  # says why, where there is none
    out().print(render(ranking(result.history, k)))
    return 0


def fill_top(parser: ArgumentParser) -> None:
    fill_afar(parser)
    parser.add_argument("-k", type=int, default=5, help="how many")


def export(request: Request) -> int:
    from raynas.experiment.result import check_apart

    result, given = opened(request), request.given
    number, target, weights = given.get("trial"), given.output, given.get("weights")
    trial = result.best if number is None else result.trial(number)
    wanted = given.get("train")
    script = wanted or os.path.join(os.path.dirname(target), f"train_{os.path.basename(target)}")
    check_apart(target, weights, script)
    trial.export(target, weights)
    text = f"trial {trial.number} is in {target}, class Model"
    out().print(f"{text}; its trained weights are in {weights}" if weights else text, soft_wrap=True)
    try:
        trial.export_training(script)
    except SerializationError as error:
        if wanted:
            raise
        say(f"note: {script} was not written: {error}")
    else:
        out().print(f"{script} trains it again, with what the search chose", soft_wrap=True)
    return 0


def fill_export(parser: ArgumentParser) -> None:
    fill_run(parser)
    parser.add_argument("--trial", type=int | None, default=None, help="its number; by default the best")
    parser.add_argument("-o", "--output", type=str, required=True, help="the Python file to write")
    parser.add_argument("--weights", type=str | None, default=None, help="a safetensors file to write, too")
    parser.add_argument(
        "--train", type=str | None, default=None, help="the script that trains it again; by default train_OUTPUT"
    )


def report(request: Request) -> int:
    result = opened(request)
    target = request.given.get("output") or os.path.join(result.place.folder, "report.md")
    try:
        Path(target).write_text(page(result), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"the report cannot be written to {target}: {error.strerror}; name another file") from None
    out().print(f"run '{result.name}' is described in {shown(target)}", soft_wrap=True)
    return 0


def fill_report(parser: ArgumentParser) -> None:
    fill_run(parser)
    parser.add_argument("-o", "--output", type=str | None, default=None, help="a file; by default in the run's folder")


STATUS = Command("say how a run stands, or one of its trials", fill_status, status)
TOP = Command("list a run's best trials", fill_top, top)
EXPORT = Command("write a trial as a Python file that needs torch only", fill_export, export)
REPORT = Command("write a run's tables into a Markdown file", fill_report, report)
