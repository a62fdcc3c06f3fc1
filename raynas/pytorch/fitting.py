"""Fitting: whether the candidates of a layer choice can stand for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import torch
from torch import nn

from raynas.errors import CandidateError, SpaceError
from raynas.graph import GraphSpace
from raynas.nn import LayerChoice, Placeholder
from raynas.nn.running import at_defaults
from raynas.pytorch.profiling import profile
from raynas.search_space import Leaf
from raynas.search_space.expression import token


def check_candidates(root: nn.Module, space: GraphSpace, example_inputs: Sequence[Any]) -> None:
    """Raise `SpaceError` for a candidate that gives something else than the default one, and breaks the model by that.

    The model runs once, at its defaults, and each choice's candidates on what then reaches it. One that gives another
    shape is all right as long as the model goes on with it.
    """
    if any(isinstance(module, Placeholder) for module in root.modules()):
        return  # it cannot run yet
    for choice, key, difference in _different(root, example_inputs):
        pick = choice.pick
        if not isinstance(pick, Leaf):
            continue
        wanted = {**space.search_space.default(), pick.named(): token(key)}
        sample = space.search_space.complete(wanted, Random(0))
        if sample.get(pick.named()) != token(key):
            continue  # it counts under other choices only
        try:
            profile(space.freeze(sample), example_inputs)
        except CandidateError as error:
            raise SpaceError(
                f"{pick.where}: the candidate {key!r} of LayerChoice '{pick.label}' does not fit where "
                f"{pick.default()!r} does: {difference} (then {str(error).partition(chr(10))[0]}): "
                "give all candidates outputs of one shape"
            ) from error


def _different(root: nn.Module, example_inputs: Sequence[Any]) -> list[tuple[LayerChoice, Any, str]]:
    """Candidates that give something of another form than the default one, and what."""
    found: dict[tuple[int, Any], tuple[LayerChoice, Any, str]] = {}

    def compare(choice: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        assert isinstance(choice, LayerChoice)
        wanted = _form(output)
        for key, candidate in choice.candidates.items():
            try:
                form = _form(candidate(*args, **kwargs))
            except Exception as error:  # whatever a layer raises on what it is not made for
                form = f"it fails with {type(error).__name__}"
            if form != wanted:
                found.setdefault((id(choice), key), (choice, key, f"{form}, not {wanted}"))

    if not any(isinstance(module, LayerChoice) for module in root.modules()):
        return []
    with _watching(root, compare), torch.no_grad(), torch.random.fork_rng(devices=[]), at_defaults(root):
        root(*example_inputs)
    return list(found.values())


@contextmanager
def _watching(root: nn.Module, see: Callable[..., None]) -> Iterator[None]:
    """While this is open, `see` is shown what goes into each layer choice and what comes out; in eval mode."""
    modes = {module: module.training for module in root.modules()}
    hooks = [module.register_forward_hook(see, with_kwargs=True) for module in modes if isinstance(module, LayerChoice)]
    try:
        root.eval()
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode


def _form(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(map(_form, value)) or 'nothing'}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(f'{key!r}: {_form(item)}' for key, item in value.items())}"
    return f"a {type(value).__name__}"
