"""Plug-ins: strategies and stoppers found by name, whoever published them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from raynas.errors import PluginError, RaynasError
from raynas.strategy import Stopper, Strategy

GROUPS: Mapping[type, str] = {Strategy: "raynas.strategies", Stopper: "raynas.stoppers"}
"""The entry-point groups under which a distribution registers its strategies and stoppers."""

P = TypeVar("P", Strategy, Stopper)


@dataclass(frozen=True)
class Registered:
    """One registered plug-in, or why it cannot be used.

    Attributes:
        name: what a configuration calls it.
        found: the class, or the error that finding it raised.
        doc: the first line of the class's docstring, or the error's message.
    """

    name: str
    found: type[Strategy] | type[Stopper] | PluginError
    doc: str


def registered(kind: type[Strategy] | type[Stopper] = Strategy) -> list[Registered]:
    """Every strategy that some installed distribution registers, by name; broken ones among them, as their error.

    Args:
        kind: `Stopper`, for the stoppers instead.
    """
    result = []
    for name in sorted({point.name for point in entry_points(group=GROUPS[kind])}):
        try:
            cls: type[Strategy] | type[Stopper] = _find(name, kind)  # type: ignore[type-var]  # either of the two
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
    return _find(spec, Strategy)  # type: ignore[type-abstract]  # its subclasses are what is found


def make(spec: str | Strategy | type[Strategy], arguments: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy that `spec` names, made with these constructor arguments.

    Args:
        spec: what `find` takes, a strategy class, or a strategy that has been made already.
        arguments: for its constructor, by name.

    Raises:
        PluginError: it is not there, is no strategy, or does not take these arguments.
    """
    return _make(spec, arguments, Strategy)  # type: ignore[type-abstract]  # its subclasses are what is made


def make_stopper(spec: str | Stopper | type[Stopper], arguments: Mapping[str, Any] | None = None) -> Stopper:
    """The stopper that `spec` names, as `make` does it for strategies."""
    return _make(spec, arguments, Stopper)  # type: ignore[type-abstract]  # as above


def recipe(plugin: Strategy | Stopper) -> tuple[str, dict[str, Any]]:
    """A plug-in's "module:Class" and constructor arguments, from which `make` makes its equal.

    The arguments are read from the attributes of the same names, which a strategy or stopper should keep.

    Raises:
        PluginError: an argument is kept under another name.
    """
    cls = type(plugin)
    spec = f"{cls.__module__}:{cls.__qualname__}"
    arguments = {}
    for name, parameter in _parameters(cls).items():
        if _rest(parameter):
            continue
        if not hasattr(plugin, name):
            raise PluginError(
                f"{_word(_kind(plugin))} {spec} cannot be recorded, because it does not keep its argument '{name}': "
                f"let its constructor set self.{name}"
            )
        arguments[name] = getattr(plugin, name)
    return spec, arguments


def _kind(plugin: Strategy | Stopper) -> type[Strategy] | type[Stopper]:
    return Strategy if isinstance(plugin, Strategy) else Stopper


def _word(kind: type) -> str:
    return kind.__name__.lower()


def _find(spec: str, kind: type[P]) -> type[P]:
    word, group = _word(kind), GROUPS[kind]
    if ":" in spec:
        if not all(part.isidentifier() for part in spec.replace(":", ".", 1).split(".")):
            raise PluginError(f"'{spec}' names no {word}: write 'module:Class', or a registered name")
        return _loaded(EntryPoint(spec, spec, group), f"{word} '{spec}'", kind)
    # One distribution may be seen twice, as an editable installation and as its metadata in the working directory.
    places = sorted({point.value for point in entry_points(group=group, name=spec)})
    if not places:
        names = {point.name for point in entry_points(group=group)}
        raise PluginError(
            f"there is no {word} '{spec}'{_hint(spec, names)}: there is {', '.join(sorted(names)) or 'none'}; "
            "any other is named 'module:Class'"
        )
    if len(places) > 1:
        raise PluginError(f"{word} '{spec}' is registered as {' and as '.join(places)}: name the one you mean so")
    return _loaded(EntryPoint(spec, places[0], group), f"{word} '{spec}' ({places[0]})", kind)


def _make(spec: str | P | type[P], arguments: Mapping[str, Any] | None, kind: type[P]) -> P:
    given = {} if arguments is None else arguments
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise PluginError(f"the {_word(kind)}'s arguments are {given!r:.80}: give them by name")
    arguments = dict(given)
    if isinstance(spec, kind):
        if arguments:
            raise PluginError(f"{spec!r} has been made already and takes no {_quoted(arguments)}: name its class")
        return spec
    if isinstance(spec, str):
        cls, name = _find(spec, kind), f"{_word(kind)} '{spec}'"
    else:
        if not isinstance(spec, type):
            raise PluginError(
                f"{_word(kind)} is {spec!r:.80}: give a registered name, 'module:Class', a class or an instance"
            )
        name = f"{_word(kind)} {spec.__qualname__}"
        cls = _checked(spec, name, kind)
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


def _loaded(point: EntryPoint, name: str, kind: type[P]) -> type[P]:
    try:
        import_module(point.module)
    except (Exception, SystemExit) as error:  # whatever a stranger's module does while it is imported
        raise PluginError(
            f"{name} does not import: {_line(error)}; install what it needs, or correct its module's name"
        ) from error
    try:
        return _checked(point.load(), name, kind)
    except AttributeError:
        there = [key for key, value in vars(import_module(point.module)).items() if isinstance(value, type)]
        raise PluginError(
            f"{name} is not there: module {point.module} has no {point.attr or 'class of that name'}"
            f"{_hint(point.attr, there)}"
        ) from None


def _checked(found: Any, name: str, kind: type[P]) -> type[P]:
    if not isinstance(found, type) or not issubclass(found, kind):
        raise PluginError(
            f"{name} is no {_word(kind)} but {found!r}: let its class inherit from raynas.{kind.__name__}"
        )
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise PluginError(f"{name} cannot be made: its class leaves out {lacking}; write it")
    return found


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
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
