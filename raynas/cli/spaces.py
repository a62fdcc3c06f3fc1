"""`raynas space` and `raynas strategies`: what can be searched, and how."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from raynas.cli.command import Command, Request, fill_config
from raynas.cli.console import out
from raynas.cli.runs import render
from raynas.plugins import registered
from raynas.report import Table
from raynas.strategy import Stopper, Strategy


def space(request: Request) -> int:
    from raynas.config.making import make

    out().print(make(request.settings(), request.verbose).search_space.describe(), soft_wrap=True)
    return 0


def strategies(request: Request) -> int:
    for title, kind in (("Strategies", Strategy), ("Stoppers", Stopper)):
        rows = tuple((item.name, item.doc) for item in registered(kind))
        if rows:
            out().print(render(Table(title, ("name", "what it does"), rows)))
    return 0


def fill_nothing(parser: ArgumentParser) -> None:
    """It takes no arguments."""


SPACE = Command("list a space's choices, and how many samples it has", fill_config, space)
STRATEGIES = Command("list the strategies and stoppers that are installed", fill_nothing, strategies)
