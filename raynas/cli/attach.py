"""`raynas attach` and `raynas stop`: a search that another process has started, or that was left to a cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser

from raynas.cli.command import Command, Request
from raynas.cli.console import out, say
from raynas.cli.display import Display
from raynas.cli.runs import fill_afar
from raynas.cli.search import conclude, so_far
from raynas.errors import SearchError

if TYPE_CHECKING:
    from raynas.experiment.follow import Remote
    from raynas.experiment.place import Place
    from raynas.experiment.record import Record
    from raynas.search import Ending


def found(request: Request) -> AbstractContextManager[Remote]:
    """The search that is asked for."""
    from raynas.experiment.afar import searching

    given = request.given
    where = (given.get("storage_path", "runs"), given.get("store"), given.get("address"))
    return searching(given.run, *where, verbose=request.verbose)


def attach(request: Request) -> int:
    from raynas.experiment import Result
    from raynas.experiment.conduct import raise_failure

    run = request.given.run
    with Display() as display:
        try:
            record, ending = _watched(request, display)
        except KeyboardInterrupt:
            display.tell(f"not watching any more; the search goes on: raynas attach {run}")
            return 130
    try:
        raise_failure(ending)
    except KeyboardInterrupt:
        say(f"somebody has stopped it{so_far(record)}")
        return 130
    conclude(Result(record), None)
    return 0


def _watched(request: Request, display: Display) -> tuple[Record, Ending]:
    """What the search has found, and how it ended."""
    from raynas.experiment import afar
    from raynas.experiment.follow import follow
    from raynas.experiment.record import Record

    def begin() -> None:
        run = request.given.run
        say(f"watching '{run}'; Ctrl-C ends the watching, `raynas stop {run}` the search")

    if request.given.get("address") is None:
        place = _place(request)
        ending = afar.watch(place, display.show, begin, request.verbose)
        return Record.read(place), ending
    with found(request) as remote:
        begin()
        ending = follow(remote, display.show, mine=False)
        return afar.told(remote), ending


def _place(request: Request) -> Place:
    from raynas.experiment.place import find

    return find(request.given.run, request.given.get("storage_path", "runs"), request.given.get("store"))


def stop(request: Request) -> int:
    from raynas.experiment.attach import stored_ending
    from raynas.experiment.follow import follow

    now = bool(request.given.get("now"))
    with found(request) as remote, Display() as display:
        remote.call("stop", now)
        say("stopping" if now else "stopping when the running trials have ended; --now stops at once")
        try:
            ending = follow(remote, display.show, mine=False)
        except SearchError:  # its process ends it before everybody has heard the last
            stored = None if request.given.get("address") else stored_ending(_place(request))
            if stored is None:
                raise
            ending = stored
    out().print(f"run '{request.given.run}' has ended: {ending.message}", soft_wrap=True)
    return 0


def fill_stop(parser: ArgumentParser) -> None:
    fill_afar(parser)
    parser.add_argument("--now", action="store_true", help="cut off what runs, which a resumed search repeats")


ATTACH = Command("watch a run's search that goes on elsewhere", fill_afar, attach)
STOP = Command("end a run's search that goes on elsewhere; the same name goes on with it", fill_stop, stop)
