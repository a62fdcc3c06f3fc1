"""Plug-ins: strategies found by name, whoever published them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from raynas.errors import PluginError, RaynasError
from raynas.strategy import Strategy

GROUP = "raynas.strategies"
"""The entry-point group under which a distribution registers its strategies."""


@dataclass(frozen=True)
class Registered:
    """One registered strategy, or why it cannot be used.

    Attributes:
        name: what a configuration calls it.
        found: the class, or the error that finding it raised.
        doc: the first line of the class's docstring, or the error's message.
    """

    name: str
    found: type[Strategy] | PluginError
    doc: str


def registered() -> list[Registered]:
    """Every strategy that some installed distribution registers, by name; broken ones among them, as their error."""
    result = []
    for name in sorted({point.name for point in entry_points(group=GROUP)}):
        try:
            cls = find(name)
        except PluginError as error:
            result.append(Registered(name, error, str(error)))
        else:
            result.append(Registered(name, cls, (inspect.getdoc(cls) or "").partition("\n")[0]))
    return result


def find(spec: str) -> type[Strategy]:
    """The strategy class that `spec` names.

    Args:
        spec: a registered name ("random") or "module:Class".

    Raises:
        PluginError: it is not there, does not import, or is no strategy.
    """
    if ":" in spec:
        if not all(part.isidentifier() for part in spec.replace(":", ".", 1).split(".")):
            raise PluginError(f"'{spec}' names no strategy: write 'module:Class', or a registered name")
        return _loaded(EntryPoint(spec, spec, GROUP), f"strategy '{spec}'")
    # One distribution may be seen twice, as an editable installation and as its metadata in the working directory.
    places = sorted({point.value for point in entry_points(group=GROUP, name=spec)})
    if not places:
        names = {point.name for point in entry_points(group=GROUP)}
        raise PluginError(
            f"there is no strategy '{spec}'{_hint(spec, names)}: there is {', '.join(sorted(names)) or 'none'}; "
            "any other is named 'module:Class'"
        )
    if len(places) > 1:
        raise PluginError(f"strategy '{spec}' is registered as {' and as '.join(places)}: name the one you mean so")
    return _loaded(EntryPoint(spec, places[0], GROUP), f"strategy '{spec}' ({places[0]})")


def make(spec: str | Strategy | type[Strategy], arguments: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy that `spec` names, made with these constructor arguments.

    Args:
        spec: what `find` takes, a strategy class, or a strategy that has been made already.
        arguments: for its constructor, by name.

    Raises:
        PluginError: it is not there, is no strategy, or does not take these arguments.
    """
    arguments = dict(arguments or {})
    if isinstance(spec, Strategy):
        if arguments:
            raise PluginError(f"{spec!r} has been made already and takes no {_quoted(arguments)}: name its class")
        return spec
    if isinstance(spec, str):
        cls, name = find(spec), f"strategy '{spec}'"
    else:
        name = f"strategy {getattr(spec, '__qualname__', repr(spec))}"
        cls = _checked(spec, name)
    parameters = _parameters(cls)
    unknown = [key for key in arguments if key not in parameters]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise PluginError(
            f"{name} takes no argument '{unknown[0]}'{_hint(unknown[0], parameters)}: "
            f"it takes {_quoted(parameters) or 'none'}"
        )
    missing = [key for key, p in parameters.items() if p.default is p.empty and key not in arguments and not _rest(p)]
    if missing:
        raise PluginError(f"{name} needs the argument '{missing[0]}': give it one")
    try:
        return cls(**arguments)
    except RaynasError:
        raise
    except Exception as error:
        raise PluginError(f"{name} refuses {arguments}: {_line(error)}") from error


def recipe(strategy: Strategy) -> tuple[str, dict[str, Any]]:
    """A strategy's "module:Class" and constructor arguments, from which `make` makes its equal.

    The arguments are read from the attributes of the same names, which a strategy should keep.

    Raises:
        PluginError: an argument is kept under another name.
    """
    cls = type(strategy)
    spec = f"{cls.__module__}:{cls.__qualname__}"
    arguments = {}
    for name, parameter in _parameters(cls).items():
        if _rest(parameter):
            continue
        if not hasattr(strategy, name):
            raise PluginError(
                f"strategy {spec} cannot be recorded, because it does not keep its argument '{name}': "
                f"let its constructor set self.{name}"
            )
        arguments[name] = getattr(strategy, name)
    return spec, arguments


def _loaded(point: EntryPoint, name: str) -> type[Strategy]:
    try:
        import_module(point.module)
    except (Exception, SystemExit) as error:  # whatever a stranger's module does while it is imported
        raise PluginError(
            f"{name} does not import: {_line(error)}; install what it needs, or correct its module's name"
        ) from error
    try:
        return _checked(point.load(), name)
    except AttributeError:
        there = [key for key, value in vars(import_module(point.module)).items() if isinstance(value, type)]
        raise PluginError(
            f"{name} is not there: module {point.module} has no {point.attr or 'class of that name'}"
            f"{_hint(point.attr, there)}"
        ) from None


def _checked(found: Any, name: str) -> type[Strategy]:
    if not isinstance(found, type) or not issubclass(found, Strategy):
        raise PluginError(f"{name} is no strategy but {found!r}: let its class inherit from raynas.Strategy")
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise PluginError(f"{name} cannot be made: its class leaves out {lacking}; write it")
    return found


def _parameters(cls: type[Strategy]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters


def _rest(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""
