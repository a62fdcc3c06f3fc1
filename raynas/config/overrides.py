"""Overrides: `--evaluator.max_epochs 3` on the command line changes a part of what the file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonargparse import get_loader

from raynas.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """One value for a part of the configuration.

    Attributes:
        keys: where it stands; `init_args` may be left out.
        value: what stands there.
    """

    keys: tuple[str, ...]
    value: Any

    def applied(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of `values` with this one in its place; `ConfigError` where there is no such place."""
        changed = self._within(values, 0)
        assert isinstance(changed, dict)
        return changed

    def _within(self, node: Any, depth: int) -> Any:
        if depth == len(self.keys):
            return self.value
        key = self.keys[depth]
        if node is None:
            node = {}
        if depth == 1 and isinstance(node, str):  # a class path by itself
            node = {"class_path": node}
        if not isinstance(node, Mapping):
            where = ".".join(self.keys[:depth])
            raise ConfigError(f"--{'.'.join(self.keys)}: {where} is {node!r}, which has no '{key}'")
        if "class_path" in node and key not in ("class_path", "init_args"):
            return {**node, "init_args": self._within(node.get("init_args"), depth)}
        if key == "class_path":  # another class takes other arguments
            node = {}
        return {**node, key: self._within(node.get(key), depth + 1)}


def split(arguments: Sequence[str], keys: Sequence[str]) -> tuple[list[str], list[Override]]:
    """Take the overrides out of a command line.

    Args:
        arguments: the command line.
        keys: the first parts that an override may begin with.

    Returns:
        What is left, and the overrides in their order.
    """
    rest: list[str] = []
    found: list[Override] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, text = argument.removeprefix("--").partition("=")
        first, *more = name.split(".")
        if not argument.startswith("--") or not more or first not in keys:
            rest.append(argument)
            continue
        if not equals:
            if not waiting:
                raise ConfigError(f"--{name} has no value: write --{name} VALUE")
            text = waiting.pop(0)
        try:
            value = get_loader("yaml")(text)
        except Exception as error:
            raise ConfigError(f"--{name}: {text!r} is no YAML ({' '.join(str(error).split())}): quote it") from None
        found.append(Override((first, *more), value))
    return rest, found
