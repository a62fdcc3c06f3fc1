"""Sharing: modules and tensors that stand in several places, and copies of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from raynas.graph import (
    Path,
    Set,
    Step,
)
from raynas.nn import LayerChoice, Repeat, is_basic_unit
from raynas.nn.basic_unit import CONTAINERS
from raynas.nn.recording import construction
from raynas.pytorch.reasons import can_be_whole, part_of
from raynas.pytorch.tracer import Tracer
from raynas.pytorch.units import draws


def copies(
    root: nn.Module, modules: Mapping[str, nn.Module]
) -> tuple[dict[nn.Module, list[tuple[str, str]]], set[nn.Module]]:
    """Deep copies: by the opened module around both, the path of the copy and that of the original; and all originals.

    Where the original was not kept, the first of its copies stands for it.
    """
    found: dict[nn.Module, list[tuple[str, str]]] = {}
    originals: dict[int, tuple[str, nn.Module]] = {}
    done: set[str] = set()
    for path, module in modules.items():
        call = construction(module)
        if call is None or (done and any(path.startswith(f"{above}.") for above in done)):
            continue
        if id(call) not in originals:
            originals[id(call)] = (path, module)
            continue
        source, _ = originals[id(call)]
        done.add(path)
        if not any(draws(part) for part in module.modules() if is_basic_unit(type(part))):
            continue
        home, cut = root, 0
        common = _common_path(path, source)
        while common and not can_be_whole(part_of(root, common)):
            common = common.rpartition(".")[0]
        home, cut = part_of(root, common), len(common) + 1 if common else 0
        if not any(isinstance(m, LayerChoice | Repeat) for m in _between(root, path)):
            found.setdefault(home, []).append((path[cut:], source[cut:]))
    return found, {module for _, module in originals.values()}


def _between(root: nn.Module, path: str) -> list[nn.Module]:
    parts = path.split(".")
    return [part_of(root, ".".join(parts[:cut])) for cut in range(1, len(parts))]


def shared_modules(root: nn.Module, tracer: Tracer) -> dict[nn.Module, tuple[str, nn.Module]]:
    """Modules that stand in several places: a name for each, and the innermost opened module around all places."""
    if tracer.places.is_tree:
        return {}
    places: dict[nn.Module, list[tuple[nn.Module, ...]]] = {}
    names: dict[nn.Module, str] = {}

    def walk(module: nn.Module, above: tuple[nn.Module, ...]) -> None:
        for name, child in module._modules.items():
            if child is None:
                continue
            places.setdefault(child, []).append((*above, module))
            names.setdefault(child, name if name.isidentifier() else f"shared_{name}")
            if len(places[child]) == 1 and child not in tracer.opaque and not is_basic_unit(type(child)):
                walk(child, (*above, module))

    walk(root, ())
    found: dict[nn.Module, tuple[str, nn.Module]] = {}
    taken: set[tuple[nn.Module, str]] = set()
    for child, chains in places.items():
        if len(chains) < 2:
            continue
        home = root
        for level in zip(*chains, strict=False):
            if len({id(module) for module in level}) > 1:
                break
            if type(level[0]) not in CONTAINERS and not isinstance(level[0], LayerChoice | Repeat):
                home = level[0]
        name = names[child]
        while (home, name) in taken:
            name = f"{name}_"
        taken.add((home, name))
        found[child] = (name, home)
    return found


def ties(root: nn.Module, tracer: Tracer, shared: Mapping[nn.Module, Any]) -> dict[nn.Module, list[Step]]:
    """Parameters that two modules hold: an assignment after both are made, in the module around both."""
    if tracer.places.is_tree:
        return {}
    owners: dict[int, list[str]] = {}
    modules = tracer.places.modules
    inside = tuple(f"{path}." for path, module in modules.items() if module in tracer.opaque)
    for path, module in modules.items():
        if inside and path.startswith(inside):
            continue
        whole = module in tracer.opaque
        for name, tensor in module.named_parameters() if whole else module._parameters.items():
            if tensor is not None:
                owners.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
    steps: dict[nn.Module, list[Step]] = {}
    for first, *others in (paths for paths in owners.values() if len(paths) > 1):
        for other in others:
            common = _common_path(first, other)
            home = part_of(root, common)
            while type(home) in CONTAINERS or isinstance(home, LayerChoice | Repeat):
                common = common.rpartition(".")[0]
                home = part_of(root, common)
            cut = len(common) + 1 if common else 0
            steps.setdefault(home, []).append(Set(other[cut:], Path(first[cut:])))
    return steps


def _common_path(left: str, right: str) -> str:
    parts = []
    for one, other in zip(left.split(".")[:-1], right.split(".")[:-1], strict=False):
        if one != other:
            break
        parts.append(one)
    return ".".join(parts)
