"""main: from a command line to an exit status."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from raynas.cli import attach, runs, search, spaces, trying
from raynas.cli.command import Command, Request
from raynas.cli.console import notices, open_streams, print_anything, say
from raynas.cli.submit import submit, without
from raynas.config import KEYS, Settings, one_line, split
from raynas.errors import ConfigError, RaynasError, SearchError

COMMANDS: dict[str, Command] = {
    "try": trying.TRY,
    "search": search.SEARCH,
    "attach": attach.ATTACH,
    "stop": attach.STOP,
    "status": runs.STATUS,
    "top": runs.TOP,
    "export": runs.EXPORT,
    "report": runs.REPORT,
    "space": spaces.SPACE,
    "strategies": spaces.STRATEGIES,
}

USAGE = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command line behind the program's name; None: the process's own.

    Returns:
        0; 2 after an error, which stderr names in a line; 130 after Ctrl-C.

    Raises:
        SystemExit: with 143, after SIGTERM.
    """
    arguments = tuple(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in arguments
    for folder in (os.path.abspath("src"), os.getcwd()):  # where a project keeps what a configuration names
        if folder not in sys.path and os.path.isdir(folder):
            sys.path.insert(0, folder)
    open_streams()
    print_anything()
    with notices(verbose):
        try:
            command, request = parsed(arguments)
            address = str(request.given.get("address") or "")
            if address.startswith(("http://", "https://")):  # from outside the cluster: have the same asked inside
                return submit(address, [*without(arguments, "--address"), "--address", "auto"], None)
            return command.run(request)
        except RaynasError as error:
            complain(error, verbose)
            return USAGE
        except KeyboardInterrupt:
            say("interrupted")
            return INTERRUPTED


def parsed(arguments: Sequence[str]) -> tuple[Command, Request]:
    """The command that a command line asks for; `ConfigError` where it asks for none."""
    rest, overrides = split(arguments or ["--help"], KEYS)
    _check_command(rest[0])
    try:
        given = parser().parse_args(rest, defaults=False)
    except ArgumentError as error:
        text = one_line(error).replace(f"required: {rest[0]}.", "required: ")
        text += _meant(text)
        raise ConfigError(f"{text}; raynas {rest[0]} --help lists what there is") from None
    name: str = given.command
    own: Namespace = given[name]
    if overrides and not hasattr(own, "config"):
        raise ConfigError(f"raynas {name} reads no configuration: leave out --{'.'.join(overrides[0].keys)}")
    return COMMANDS[name], Request(tuple(arguments), own, overrides)


def _meant(text: str) -> str:
    """A question after the option that somebody meant, as `--max-trials` is not one."""
    word = re.search(r"unrecognized arguments: --([\w-]+)", text)
    names = [field.replace("_", "-") for field in Settings.__dataclass_fields__]
    close = get_close_matches(word[1].replace("_", "-"), names, n=1, cutoff=0.75) if word else []
    return f": did you mean --{close[0].replace('-', '_')}?" if close else ""


def _check_command(word: str) -> None:
    if word in COMMANDS or word.startswith("-"):
        return
    close = get_close_matches(word, COMMANDS, n=1)
    cure = f"did you mean '{close[0]}'?" if close else f"there is {', '.join(COMMANDS)}"
    raise ConfigError(f"there is no command '{word}': {cure}")


def parser() -> ArgumentParser:
    """The parser of all commands."""
    from importlib.metadata import version

    top = ArgumentParser(
        prog="raynas",
        description="Searches neural architectures in parallel, from a laptop to a Ray cluster.",
        exit_on_error=False,
        version=version("raynas"),
    )
    words = top.add_subcommands(dest="command", title="commands", description="raynas COMMAND --help tells more")
    for name, command in COMMANDS.items():
        inner = ArgumentParser(description=command.help, exit_on_error=False)
        command.fill(inner)
        inner.add_argument(
            "--verbose", action="store_true", help="show what Ray, Lightning and workers print, and tracebacks"
        )
        words.add_subcommand(name, inner, help=command.help)
    return top


def complain(error: RaynasError, verbose: bool) -> None:
    """Say on stderr what is wrong: a line; behind it the traceback of the user's own code that ended a search."""
    say(f"error: {' '.join(str(error).split())}")
    if verbose:
        traceback.print_exception(error)
    elif isinstance(error, SearchError):
        for note in getattr(error, "__notes__", ()):
            say(note.rstrip())
