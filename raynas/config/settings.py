"""Settings: what a configuration file and the command line say.

jsonargparse imports what this module imports for type checkers, so it imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, get_loader

from raynas.config.overrides import Override
from raynas.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """A search, as a file describes it: the arguments of `raynas.Experiment`.

    Args:
        space: what is searched: a ModelSpace class or a function that builds a model, as a class path, alone or with
            init_args.
        evaluator: what trains and judges a candidate: class_path and init_args, choices among them.
        strategy: a registered name, or class_path and init_args.
        objective: the metric to judge by, large is good; or metric: max or min.
        max_trials: how many trials may be trained, in all starts of the run; null: no limit.
        max_time: seconds for this start; null: no limit.
        trial_timeout: seconds that one attempt of a trial may take; null: no limit.
        resources: what one trial takes: num_cpus, num_gpus, custom.
        max_concurrent: how many trials run at once at most; null: as many as there is room for.
        name: the run's; the same name again goes on where that run stopped; null: a new one.
        storage_path: the folder in which the run's folder is made.
        store: URL of a database; null: a file in the run's folder.
        seed: of the strategy's choices and of all trainings.
        engine: ray; or local, for one trial after the other in this process.
        initial_samples: tried before the strategy is asked.
        replicates: how often every candidate is trained.
        dedup: whether a candidate that was trained before shares that result.
        stopper: ends trials between their reports: a registered name, or class_path and init_args.
        constraints: bounds that a candidate must keep to be trained, such as params: "<=500k".
        keep_weights: of how many best trials the weights stay.
    """

    space: Any = None
    evaluator: Any = None
    strategy: Any = "regularized_evolution"
    objective: str | dict[str, str] = "val_accuracy"
    max_trials: int | None = None
    max_time: float | None = None
    trial_timeout: float | None = None
    resources: dict[str, Any] = field(default_factory=lambda: {"num_cpus": 1})
    max_concurrent: int | None = None
    name: str | None = None
    storage_path: str = "runs"
    store: str | None = None
    seed: int = 0
    engine: str = "ray"
    initial_samples: list[dict[str, Any]] = field(default_factory=list)
    replicates: int = 1
    dedup: bool = True
    stopper: Any = None
    constraints: dict[str, str] | None = None
    keep_weights: int = 1


KEYS = tuple(item.name for item in fields(Settings))
"""What a configuration file may hold."""

OBJECTS = ("space", "evaluator", "strategy", "stopper")
"""The keys whose values `build` makes; the parser has nothing to say about them."""


def read(file: str, given: Mapping[str, Any] | None = None, overrides: Sequence[Override] = ()) -> dict[str, Any]:
    """What a configuration file says, with what the command line says in its place; not checked yet.

    Args:
        file: path of a YAML file.
        given: values that replace the file's, by key.
        overrides: values that replace parts of them.
    """
    values = {**_mapping(file), **(given or {})}
    for override in overrides:
        values = override.applied(values)
    unknown = next((key for key in values if key not in KEYS), None)
    if unknown is not None:
        close = get_close_matches(str(unknown), KEYS, n=1)
        cure = f"did you mean '{close[0]}'?" if close else f"there is {', '.join(KEYS)}"
        raise ConfigError(f"{file}: unknown key {str(unknown)!r:.80}: {cure}")
    return values


def settings(values: Mapping[str, Any]) -> Settings:
    """The settings that these values are, once their kinds have been checked."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Settings, None, as_group=False, skip=set(OBJECTS))
    objects = {key: value for key, value in values.items() if key in OBJECTS}
    try:
        plain = parser.parse_object({key: value for key, value in values.items() if key not in OBJECTS})
    except ArgumentError as error:
        raise ConfigError(one_line(error)) from None
    except (
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:  # what jsonargparse itself stumbles over
        raise ConfigError(f"the configuration cannot be read: {type(error).__name__}: {error}") from error
    return Settings(**{**plain.as_dict(), **objects})


def dump(values: Mapping[str, Any]) -> str:
    """Settings as the text of a configuration file."""
    return str(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))


def one_line(error: ArgumentError) -> str:
    """What jsonargparse has against a value, in a line."""
    text = str(error)
    key = re.search(r'Parser key "([\w.]+)"', text)
    value = re.search(r"(?:Got value|Given value): (.*)", text)
    if key is None or value is None:
        return " ".join(text.split())
    kinds = [kind for kind in re.findall(r"Expected an? <class '(\w+)'>", text) if kind != "NoneType"]
    names = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}
    wanted = " or ".join(dict.fromkeys(names.get(kind, f"a {kind}") for kind in kinds)) or "another value"
    return f"{key[1]} is {value[1]:.80}: give {wanted}"


def _mapping(file: str) -> dict[str, Any]:
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration '{file}': check its path") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the configuration '{file}' cannot be read: {reason}") from None
    try:
        found, tree = get_loader("yaml")(text), yaml.compose(text, yaml.SafeLoader)
    except Exception as error:
        raise ConfigError(f"{file} is no YAML: {' '.join(str(error).split())}; correct that line") from None
    _check_once(file, tree)
    if not isinstance(found, dict):
        raise ConfigError(f"{file} holds {type(found).__name__ if found else 'nothing'}: write key: value lines")
    return found


def _check_once(file: str, tree: yaml.Node | None) -> None:
    """Raise `ConfigError` where a key stands twice in a mapping, of which YAML would take the last, without a word."""
    waiting, seen = [tree], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))  # an alias may stand in what it names
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            waiting.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                before = lines[key.value]
                where = f"twice in line {line}" if before == line else f"in lines {before} and {line}"
                raise ConfigError(f"{file}: '{key.value}' stands {where}: leave one out")
            lines[key.value] = line
