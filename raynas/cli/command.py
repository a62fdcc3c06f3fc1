"""Command: one word of the command line, and what the words that take a configuration have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from raynas.config import Override, Settings, read, settings


@dataclass(frozen=True)
class Command:
    """One word.

    Attributes:
        help: what it does, in a line.
        fill: adds its arguments to a parser.
        run: does it, and returns the exit status.
    """

    help: str
    fill: Callable[[ArgumentParser], None]
    run: Callable[[Request], int]


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        arguments: the whole command line.
        given: the options that stand on it, and the defaults of those that a configuration does not have.
        overrides: changes to parts of the configuration.
    """

    arguments: tuple[str, ...]
    given: Namespace
    overrides: Sequence[Override] = ()

    @property
    def verbose(self) -> bool:
        return bool(self.given.get("verbose"))

    def values(self) -> dict[str, Any]:
        """The configuration that the request names, with what it changes in it."""
        names = Settings.__dataclass_fields__
        given = {key: value for key, value in vars(self.given).items() if key in names}
        return read(self.given.config, given, self.overrides)

    def settings(self) -> Settings:
        """The same, checked."""
        return settings(self.values())


def fill_config(parser: ArgumentParser) -> None:
    """Add the configuration and what may be given in its stead."""
    parser.add_argument("config", type=str, help="a YAML file; configs/digits.yaml is one")
    parser.add_class_arguments(Settings, None, as_group=False)
    parser.add_argument(
        "--evaluator.NAME",
        dest="_override",
        metavar="VALUE",
        help="sets one of the evaluator's init_args; so for space, strategy, …",
    )
