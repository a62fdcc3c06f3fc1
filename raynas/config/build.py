"""Building: what a class path and its arguments stand for."""

from __future__ import annotations

import functools
import inspect
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any

from raynas.errors import ConfigError, RaynasError, SerializationError
from raynas.search_space import Expression, expression
from raynas.search_space.where import OWN
from raynas.serializer import record

LIBRARY = re.compile(r"[/\\](site-packages|lib[/\\]python\d[\d.]*)[/\\]")
"""In the paths of files that are installed."""

TAKES_CODE = re.compile(r"\b(Callable|[Tt]ype)\b")
"""Annotations of parameters for which a name in a file means what can be imported under it."""


def build(spec: Any, path: str) -> Any:
    """The value that a part of a configuration stands for.

    Args:
        spec: a mapping with `class_path` and perhaps `init_args`, in which others may stand; or any plain value.
        path: names it in errors, as in "evaluator".

    Raises:
        ConfigError: a class path cannot be imported, or does not take its arguments.
    """
    if isinstance(spec, Mapping):
        if "class_path" not in spec:
            return {key: build(value, f"{path}.{key}") for key, value in spec.items()}
        target, arguments = opened(spec, path)
        return _called(target, spec["class_path"], arguments, path)
    if isinstance(spec, list):
        return [build(value, f"{path}[{place}]") for place, value in enumerate(spec)]
    return spec


def build_space(spec: Any, path: str = "space") -> Any:
    """A `ModelSpace` instance, a function without arguments that builds a model, or what `raynas.trace` returned.

    Args:
        spec: a class path by itself, or with `init_args`; or the name of what `raynas.trace` returned.
        path: names it in errors.
    """
    from torch.nn import Module

    from raynas.graph import GraphSpace
    from raynas.nn import ModelSpace

    if isinstance(spec, str) and "." in spec and isinstance(traced := imported(spec, path), GraphSpace):
        return traced
    if isinstance(spec, str):
        spec = {"class_path": spec}
    if not isinstance(spec, Mapping) or "class_path" not in spec:
        raise ConfigError(f"{path} is {spec!r:.80}: write class_path: module.Class, and init_args if it needs some")
    target, arguments = opened(spec, path)
    if isinstance(target, type) and not issubclass(target, Module):
        raise ConfigError(f"{path}: '{spec['class_path']}' makes no models: name a class of modules, or a function")
    if isinstance(target, Module):
        raise ConfigError(
            f"{path}: '{spec['class_path']}' has been made already: name its class, "
            f"{type(target).__name__}, or a function"
        )
    if isinstance(target, type) and issubclass(target, ModelSpace):
        return _tried(partial(target, **arguments), spec["class_path"], path)

    @functools.wraps(target, updated=())
    def made() -> Any:
        return _tried(partial(target, **arguments), spec["class_path"], path)

    made.__dict__.pop("__wrapped__")  # it takes no arguments
    return made


def opened(spec: Mapping[str, Any], path: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The class or function that a class path names, and the arguments built for it."""
    strange = next((key for key in spec if key not in ("class_path", "init_args")), None)
    if strange is not None:
        raise ConfigError(f"{path}: unknown key '{strange}' beside class_path: put it under init_args")
    target = imported(spec["class_path"], path)
    if not callable(target):
        raise ConfigError(f"{path}: '{spec['class_path']}' is a {type(target).__name__}: name a class or a function")
    given = spec.get("init_args") or {}
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ConfigError(f"{path}: init_args is {given!r:.80}: write name: value for each argument")
    known = _parameters(target)
    _check(given, known, spec["class_path"], path, inspect.isroutine(target))
    arguments = {key: build(value, f"{path}.{key}") for key, value in given.items()}
    for key, value in arguments.items():
        if isinstance(value, str) and known is not None and key in known:
            arguments[key] = _meant(value, known[key], f"{path}.{key}")
    return target, arguments


def imported(name: Any, path: str) -> Any:
    """What can be imported as `name`, "module.Class" with any number of dots."""
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")) or "." not in name:
        raise ConfigError(f"{path}: {name!r:.80} is no class path: write module.Class")
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name and (module == error.name or module.startswith(f"{error.name}.")):
                continue
            raise _does_not_import(path, name, error) from error
        except (Exception, SystemExit) as error:  # whatever a user's module does while it is imported
            raise _does_not_import(path, name, error) from error
        for part in parts[cut:]:
            if not hasattr(found, part):
                raise ConfigError(
                    f"{path}: there is no '{name}', as {_named(found)} has no '{part}'{_hint(part, dir(found))}"
                )
            found = getattr(found, part)
        return found
    raise ConfigError(
        f"{path}: there is no '{name}', as no module '{parts[0]}' is found: "
        "install it, or start raynas in the folder that holds it"
    )


def _called(target: Callable[..., Any], name: str, arguments: Mapping[str, Any], path: str) -> Any:
    if isinstance(target, type) and issubclass(target, Expression):  # a choice is written down by itself
        return _tried(partial(target, **arguments), name, path)
    made = _tried(partial(target, **expression.defaults(arguments)), name, path)
    try:
        record(made, target, (), arguments)
    except SerializationError:  # plain data, such as a tuple, which can do without as long as nothing is to be chosen
        if any(True for _ in expression.leaves(arguments)):
            raise
    return made


def _tried(make: Callable[[], Any], name: str, path: str) -> Any:
    try:
        return make()
    except RaynasError as error:
        raise type(error)(f"{path}: {error}") from error
    except Exception as error:
        raise ConfigError(f"{path}: {name} refuses its init_args with {_line(error)}{_place(error)}") from error


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    """What can be given by name; None where that cannot be told."""
    try:
        found = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return None
    return {name: p for name, p in found.items() if p.kind not in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)}


def _check(
    given: Iterable[str], known: Mapping[str, inspect.Parameter] | None, name: str, path: str, routine: bool
) -> None:
    if known is None:
        return
    open_ended = any(p.kind is p.VAR_KEYWORD for p in known.values())
    named = [key for key, p in known.items() if p.kind is not p.VAR_KEYWORD]
    unknown = next((key for key in given if key not in named), None)
    if unknown is not None and not open_ended:
        cure = _hint(unknown, named) or f": it takes {', '.join(named) or 'none'}"
        raise ConfigError(f"{path}: {name} takes no argument '{unknown}'{cure}")
    missing = next((key for key in named if known[key].default is inspect.Parameter.empty and key not in given), None)
    if missing is not None:
        itself = (
            f"; to name the function itself, write it alone, as in `fn: {name}` of raynas.FunctionalEvaluator"
            if routine
            else ""
        )
        raise ConfigError(f"{path}: {name} needs the argument '{missing}': give it under init_args{itself}")


def _meant(value: str, parameter: inspect.Parameter, path: str) -> Any:
    """A text, or, where the parameter takes a class or a function, the one that it names."""
    annotation = parameter.annotation if isinstance(parameter.annotation, str) else str(parameter.annotation)
    if not TAKES_CODE.search(annotation) or (re.search(r"\bstr\b", annotation) and "." not in value):
        return value
    return imported(value, path)


def _does_not_import(path: str, name: str, error: BaseException) -> ConfigError:
    return ConfigError(f"{path}: '{name}' does not import, because of {_line(error)}; correct its module")


def _place(error: BaseException) -> str:
    """The line of the user's own code that raised, where there is one."""
    files = [(step.filename, step.lineno) for step in traceback.extract_tb(error.__traceback__)]
    own = [f"{file}:{line}" for file, line in files if not file.startswith((OWN, "<")) and not LIBRARY.search(file)]
    return f" ({own[-1]})" if own else ""


def _named(found: Any) -> str:
    return f"{'module' if inspect.ismodule(found) else 'class'} {getattr(found, '__name__', found)}"


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f": did you mean '{close[0]}'?" if close else ""
