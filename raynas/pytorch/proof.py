"""Proof: the generated model of the default sample, held against the original."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from raynas.errors import TraceError
from raynas.nn import InputChoice, LayerChoice, Repeat, Zero
from raynas.nn.running import at_defaults
from raynas.nn.tape import Tape, generators
from raynas.pytorch.borrowed import borrowed
from raynas.pytorch.changes import HOOKS, marks_of, plain
from raynas.pytorch.compare import alike, close, equal, plain_equal, tensors
from raynas.pytorch.reasons import part_of
from raynas.search_space.expression import defaults

SEEDS = (0, 1)
CALLS = 2


@dataclass(frozen=True)
class Difference:
    """Where the generated model is not the original.

    Attributes:
        path: of the original's module.
        why: what differs.
        only_values: whether nothing but fresh weights differs.
        called: whether it shows only in a call.
    """

    path: str
    why: str
    only_values: bool = False
    called: bool = False


def build_alike(build: Callable[[], nn.Module], tape: Tape | None) -> nn.Module:
    """A generated model, built with the random numbers with which the original was built."""
    state, outside = torch.get_rng_state(), generators()
    try:
        if tape is not None:
            torch.set_rng_state(tape.random_state)
            if tape.drew_outside:
                _set(tape.outside)
        return build()
    finally:
        torch.set_rng_state(state)
        if tape is not None and tape.drew_outside:
            _set(outside)


def _set(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    numpy.random.set_state(states[1])


def paths_of(root: nn.Module) -> dict[str, str]:
    """The original's modules that stand in the default sample, and where they stand in the generated model."""
    found: dict[str, str] = {}

    def visit(module: nn.Module, path: str, made: str) -> None:
        if isinstance(module, LayerChoice):
            name = str(module.pick.default())
            visit(part_of(module, name), f"{path}.{name}".lstrip("."), made)
            return
        if isinstance(module, InputChoice | Zero):
            return
        found[path] = made
        if isinstance(module, torch.jit.ScriptModule) or "_orig_mod" in module._modules:  # the latter is compiled
            return
        children = dict(module.named_children())
        if isinstance(module, Repeat):
            children = {name: child for name, child in children.items() if int(name) < defaults(module.depth)}
        for name, child in children.items():
            visit(child, f"{path}.{name}".lstrip("."), f"{made}.{name}".lstrip("."))

    visit(root, "", "")
    return found


def other_members(root: nn.Module, generated: nn.Module, values: bool) -> list[Difference]:
    """Where tensors, flags and plain attributes differ.

    Of fresh weights that differ, only the first, and those that differ for the same reason: one more or less random
    number moves all that are drawn after it.

    Args:
        root: the original.
        generated: built from the source of its default sample.
        values: whether fresh weights are compared.
    """
    made = dict(generated.named_modules(remove_duplicate=False))
    found: list[Difference] = []
    missing: tuple[str, ...] = ()
    late: list[tuple[str, str, nn.Module, Tensor]] = []
    for path, place in paths_of(root).items():
        if missing and path.startswith(missing):
            continue
        ours, theirs = part_of(root, path), made.get(place)
        if theirs is None:
            found.append(Difference(path, "it is not there in the generated model"))
            missing = (*missing, f"{path}.")
        elif why := _difference(ours, theirs):
            found.append(Difference(path, why))
        elif values:
            for kind in ("parameters", "buffers"):
                its = _own(theirs, kind)
                for name, tensor in _own(ours, kind).items():
                    if not is_lazy(tensor) and not equal(tensor, its[name]):
                        late.append((path, name, ours, tensor))
    if found or not late:
        return found
    _, first, module, value = late[0]
    return [
        Difference(path, f"the fresh values of '{name}' differ", only_values=True)
        for path, name, other, tensor in late
        if tensor is value or (name == first and type(other) is type(module) and _is_drawn_by_none(tensor, value))
    ]


def _is_drawn_by_none(tensor: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one kind hold no random numbers, as far as it shows: counts, or the same twice."""
    return not tensor.is_floating_point() or (tensor.shape == other.shape and equal(tensor, other))


def _difference(ours: nn.Module, theirs: nn.Module) -> str:
    """What differs between a module and its twin, beside fresh weights and children; empty where nothing does."""
    for kind in HOOKS:
        if len(vars(ours).get(kind) or ()) != len(vars(theirs).get(kind) or ()):
            return f"it was given {kind.strip('_').replace('_', ' ')}"
    for kind in ("parameters", "buffers"):
        mine, its = _own(ours, kind), _own(theirs, kind)
        if mine.keys() != its.keys():
            return f"the generated model has other {kind} there"
        for name, tensor in mine.items():
            other = its[name]
            if why := _marks(tensor, other):
                return f"'{name}' was given {why}"
            if is_lazy(tensor) or is_lazy(other):
                if is_lazy(tensor) != is_lazy(other):
                    return f"'{name}' has no shape yet"
                continue
            if tensor.shape != other.shape or tensor.dtype != other.dtype:
                return f"'{name}' gets another shape or dtype"
            if tensor.requires_grad != other.requires_grad:
                return f"'{name}' gets another requires_grad"
    if ours.training != theirs.training:
        return "it is in another mode"
    its = vars(theirs)
    for name, value in vars(ours).items():
        if name.startswith("_") or not plain(value) or (name not in its and type(ours) is not type(theirs)):
            continue
        if name not in its or not plain_equal(value, its[name]):
            return f"its attribute '{name}' differs"
    return ""


def _own(module: nn.Module, kind: str) -> dict[str, Tensor]:
    """A module's own parameters or buffers."""
    return dict(getattr(module, f"named_{kind}")(recurse=False, remove_duplicate=False))


def _marks(ours: Tensor, theirs: Tensor) -> str:
    """What was added to a tensor that its twin has not: hooks, attributes."""
    for kind in ("_backward_hooks", "_post_accumulate_grad_hooks"):
        if len(getattr(ours, kind, None) or ()) != len(getattr(theirs, kind, None) or ()):
            return kind.strip("_").replace("_", " ")
    mine, its = marks_of(ours), marks_of(theirs)
    return next((f"the attribute '{name}'" for name in mine if not plain_equal(mine[name], its.get(name))), "")


def same_calls(
    root: nn.Module,
    generated: nn.Module,
    inputs: Sequence[Any] | Mapping[str, Any],
    opaque: Collection[nn.Module] = (),
) -> Difference | None:
    """The first difference between what both return, and between gradients: train and eval, two seeds, two calls each.

    Both are left as they were, but for the generated model's weights, which become the original's. What goes on inside
    the opaque modules is theirs.
    """
    state = torch.get_rng_state()
    try:
        with borrowed(root) as original:
            places = paths_of(root)
            whole = tuple([f"{path}." if path else "" for path in places if part_of(root, path) in opaque])
            watched = [path for path in places if not path or not path.startswith(whole)]
            return _compared(original, generated, places, watched, inputs)
    finally:
        torch.set_rng_state(state)


def _compared(
    original: nn.Module,
    generated: nn.Module,
    places: dict[str, str],
    watched: Sequence[str],
    inputs: Sequence[Any] | Mapping[str, Any],
) -> Difference | None:
    with torch.no_grad():
        for path, place in places.items():
            ours, theirs = part_of(original, path), part_of(generated, place)
            for kind in ("parameters", "buffers"):
                its = _own(theirs, kind)
                for name, tensor in _own(ours, kind).items():
                    if name in its and not is_lazy(tensor) and not is_lazy(its[name]):
                        its[name].copy_(tensor)
    for training in (True, False):
        original.train(training)
        generated.train(training)
        for seed in SEEDS:
            torch.manual_seed(seed)
            start = torch.get_rng_state()
            for _ in range(CALLS):
                found = _same_call(original, generated, places, watched, inputs, start)
                if found is not None:
                    return found
                start = torch.get_rng_state()
    return None


def _same_call(
    original: nn.Module,
    generated: nn.Module,
    places: dict[str, str],
    watched: Sequence[str],
    inputs: Any,
    start: Tensor,
) -> Difference | None:
    torch.set_rng_state(start)
    try:
        first = _call(original, {part_of(original, path): path for path in watched}, inputs)
    except Exception as error:
        mode = "train" if original.training else "eval"
        raise TraceError(
            f"{type(original).__name__} fails on the example inputs in {mode}() with {type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}: pass inputs that it takes, with which one can train it"
        ) from error
    drawn = torch.get_rng_state()
    torch.set_rng_state(start)
    back = {part_of(generated, places[path]): path for path in watched}
    try:
        second = _call(generated, back, inputs)
    except Exception as error:  # whatever a model raises
        return Difference("", f"it fails with {type(error).__name__}: {str(error).partition(chr(10))[0]}", called=True)
    notes: dict[str, list[_Note]] = {}
    for note in second.notes:
        notes.setdefault(note.path, []).append(note)
    calls = Counter(note.path for note in first.notes)
    inlined = {path for path in calls if calls[path] != len(notes.get(path, ()))}
    for note in first.notes:
        others = notes.get(note.path)
        if not others or note.path in inlined:
            continue  # steps of some calls became the caller's: which, nobody knows
        twin = others.pop(0)
        if not _looks_alike(note.result, twin.result):
            entered = _looks_alike(note.inputs, twin.inputs)
            return Difference(
                note.path if entered else note.path.rpartition(".")[0], "it computes something else", called=True
            )
    if not alike(first.result, second.result):
        return Difference("", "it returns something else", called=True)
    if not torch.equal(drawn, torch.get_rng_state()):
        return Difference("", "it draws other random numbers", called=True)
    for path, place in places.items():
        ours, theirs = part_of(original, path), part_of(generated, place)
        its = _own(theirs, "parameters")
        for name, parameter in _own(ours, "parameters").items():
            if name in its and not close([parameter.grad], [its[name].grad]):
                return Difference(path, f"the gradient of '{name}' differs", called=True)
        its = _own(theirs, "buffers")
        for name, tensor in _own(ours, "buffers").items():
            if name in its and not close([tensor], [its[name]]):
                return Difference(path, f"the buffer '{name}' differs", called=True)
    return None


def _looks_alike(left: list[Tensor], right: list[Tensor]) -> bool:
    """Whether tensors inside a model are close; those that torch.func holds show only in what comes of them."""
    try:
        return close(left, right)
    except RuntimeError:
        return True


@dataclass(frozen=True)
class _Note:
    path: str
    inputs: list[Tensor]
    result: list[Tensor]


@dataclass(frozen=True)
class _Run:
    notes: list[_Note]
    result: Any


def _call(model: nn.Module, paths: dict[nn.Module, str], inputs: Any) -> _Run:
    """One call with its gradients, and what went in and out of every module."""
    notes: list[_Note] = []
    entered: list[list[Tensor]] = []

    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        entered.append([tensor.detach().clone() for tensor in tensors((args, kwargs))])

    def leave(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        notes.append(_Note(paths[module], entered.pop(), _detached(result)))

    hooks = []
    for module in paths:
        if isinstance(module, torch.jit.ScriptModule):
            continue  # takes no such hooks
        hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        hooks.append(module.register_forward_hook(leave, with_kwargs=True))
    try:
        given = copy.deepcopy(inputs)
        model.zero_grad()
        with at_defaults(model):  # as a `ModelSpace` does when it is called; any module may hold choices
            result = model(**given) if isinstance(given, Mapping) else model(*given)
        total = [tensor.float().sum() for tensor in tensors(result) if tensor.requires_grad and not tensor.is_complex()]
        if total:
            _backward(sum(total[1:], total[0]), model)
        return _Run(notes, result)
    finally:
        for hook in hooks:
            hook.remove()


def _backward(total: Tensor, model: nn.Module) -> None:
    """The gradients; what only answers in evaluation mode, and writes over what it computed, has none there."""
    try:
        total.backward()  # type: ignore[no-untyped-call]  # torch's own
    except RuntimeError:
        if model.training:
            raise
        model.zero_grad()


def _detached(value: Any) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors(value)]
