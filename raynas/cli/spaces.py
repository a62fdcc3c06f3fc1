"""`raynas space` and `raynas strategies`: what can be searched, and how."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from raynas.cli.command import Command, Request, fill_config
from raynas.cli.console import out
from raynas.cli.runs import render
from raynas.plugins import registered
from raynas.report import Table
from raynas.search_space import SearchSpace
from raynas.search_space.domain import Domain


def space(request: Request) -> int:
    from raynas.config.making import make

    experiment = make(request.settings(), request.verbose)
    console = out()
    console.print(render(choices(experiment.search_space)))
    size = experiment.search_space.size()
    console.print(f"{len(experiment.search_space)} choices, {'endless' if size is None else f'{size:,}'} samples")
    return 0


def choices(search_space: SearchSpace) -> Table:
    """The choices of a space; the first value of each is its default."""
    rows = tuple((domain.label, str(domain).removeprefix("one of "), _when(domain)) for domain in search_space)
    return Table("Choices", ("choice", "values", "counts when"), rows)


def _when(domain: Domain) -> str:
    clauses = (
        " and ".join(f"{c.label} is {' or '.join(map(str, c.values))}" for c in clause) for clause in domain.when
    )
    return "; or ".join(clauses) or "always"


def strategies(request: Request) -> int:
    rows = tuple((item.name, item.doc) for item in registered())
    out().print(render(Table("Strategies", ("name", "what it does"), rows)))
    return 0


def fill_nothing(parser: ArgumentParser) -> None:
    """It takes no arguments."""


SPACE = Command("list a space's choices, and how many samples it has", fill_config, space)
STRATEGIES = Command("list the strategies that are installed", fill_nothing, strategies)
