"""What was changed in a unit after its constructor had run: its attributes, flags and tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from raynas.graph import Apply, Path, Set
from raynas.nn.earlier import is_configuration, pictured
from raynas.nn.tape import Construction
from raynas.pytorch.state import TORCHS
from raynas.search_space.expression import leaves
from raynas.serializer.call import KEY, Call

HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    *("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
)
PLAIN = (bool, int, float, str, type(None))
WORDS = frozenset(PLAIN)

SETTERS: tuple[Any, ...] = (object.__setattr__, SimpleNamespace.__setattr__)
"""What a class has that does nothing but keep an attribute."""

FRESH: dict[Any, nn.Module | None] = {}
"""By class and arguments, torch's own units on the meta device."""

REMEMBERED = 1_000


class Changed(Exception):
    """A unit was changed in a way that cannot be written as source; the message says how."""


class Changes:
    """Compares units with what their recorded constructor calls make."""

    def __init__(self) -> None:
        self._fresh: dict[Any, nn.Module | None] = {}

    def of(self, module: nn.Module, call: Call, path: str, frozen: bool) -> Iterator[Set | Apply]:
        """Steps that make a unit at `path`, fresh from its constructor, what it is now.

        Args:
            module: the unit, as it is now.
            call: its constructor call.
            path: where it stands.
            frozen: whether its flags are set elsewhere.

        Raises:
            Changed: hooks, parametrizations, or children that its constructor does not make.
        """
        if "parametrizations" in module._modules:
            raise Changed("was given parametrizations")
        if type(module) is not call.target:
            raise Changed(f"became a {type(module).__name__} after it was constructed")
        fresh = self.made(call)
        if fresh is None:
            return
        late = call.late if isinstance(call, Construction) else ()
        if not module._modules and not fresh._modules:
            if _untouched(module, fresh, frozen):
                return
            yield from self._part(module, fresh, path, module.training, frozen, late)
            return
        now, then = dict(module.named_modules()), dict(fresh.named_modules())
        if list(now) != list(then):
            raise Changed("was given other children after it was constructed")
        asleep = not any(inner.training for inner in now.values())
        for name, part in now.items():
            yield from self._part(part, then[name], f"{path}.{name}".rstrip("."), not asleep, frozen, late)

    def _part(
        self, now: nn.Module, then: nn.Module, path: str, modes: bool, frozen: bool, late: Collection[Any]
    ) -> Iterator[Set | Apply]:
        if type(now) is not type(then) and f"{type(now).__module__}.{type(now).__qualname__}" != (
            f"{type(then).__module__}.{type(then).__qualname__}"
        ):
            raise Changed(f"holds a {type(now).__name__} where its constructor makes a {type(then).__name__}")
        ours, theirs = now.__dict__, then.__dict__
        for kind in HOOKS:
            if (ours.get(kind) or theirs.get(kind)) and len(ours.get(kind) or ()) != len(theirs.get(kind) or ()):
                raise Changed(f"was given {kind.strip('_').replace('_', ' ')}")
        if modes and now.training != then.training:
            yield Set(f"{path}.training", now.training)
        for name in () if _same(ours, theirs) else [*theirs, *(name for name in ours if name not in theirs)]:
            if name.startswith("_") or name in (KEY, "training"):
                continue
            if name in ours and ours[name] is theirs.get(name, ours):
                continue
            if any(ours.get(name) is item for item in late):
                yield from _written(ours[name], theirs.get(name), f"{path}.{name}")
                continue
            if name not in ours or name not in theirs or not equal(ours[name], theirs[name]):
                if not plain(ours.get(name)):
                    if isinstance(ours.get(name), Callable) or name not in ours:  # type: ignore[arg-type]  # a class
                        raise Changed(f"was given another '{name}'")
                    continue
                yield Set(f"{path}.{name}", ours[name])
        for group in ("_parameters", "_buffers"):
            have, had = getattr(now, group), getattr(then, group)
            if list(have) != list(had):
                raise Changed(f"was given other {group.strip('_')} after it was constructed")
            for name, tensor in have.items():
                before = had[name]
                if tensor is None:
                    if before is not None:
                        yield Set(f"{path}.{name}", None)
                    continue
                if before is None:
                    raise Changed(f"was given a '{name}'")
                if vars(tensor):
                    yield from marking(tensor, f"{path}.{name}", vars(before))
                if not frozen and tensor.requires_grad != before.requires_grad:
                    yield Apply(".requires_grad_", (Path(f"{path}.{name}"), tensor.requires_grad))

    def made(self, call: Call) -> nn.Module | None:
        """A module as the call makes it, on the meta device; None where it cannot be made there."""
        given = (*call.args, *call.kwargs.values())
        types = tuple(map(type, given))
        if WORDS.issuperset(types):
            key: Any = (call.target, given, types, tuple(call.kwargs))
        else:
            values = (call.args, dict(call.kwargs))
            if any(True for _ in leaves(values)) or not _is_plain(values):
                return self._build(call)
            key = (call.target, f"{call.args}{call.kwargs}")
        known: dict[Any, nn.Module | None] = self._fresh
        if call.target.__module__.startswith("torch.nn."):  # torch's own stay what they are
            known = FRESH
        if key not in known:
            if len(known) >= REMEMBERED:
                known.clear()
            known[key] = self._build(call)
        return known[key]

    def _build(self, call: Call) -> nn.Module | None:
        if any(isinstance(item, nn.Module | Tensor) for item in _flat((call.args, dict(call.kwargs)))):
            return None  # what it was passed is the model's own, and may be changed by a second construction
        args, kwargs = pictured((call.args, dict(call.kwargs)))  # a constructor may write to them
        state = torch.get_rng_state()
        try:
            with torch.device("meta"):
                made = Call(call.target, args, kwargs)()
        except Exception:  # whatever a user's constructor raises on the meta device: then nothing is known of it
            return None
        finally:
            torch.set_rng_state(state)
        return made if isinstance(made, nn.Module) else None


def _written(now: Any, then: Any, path: str) -> Iterator[Set]:
    """Steps that write to an object at `path`, which a constructor was passed, what was written to it since."""
    if type(now) is type(then) and is_configuration(now) and type(now).__setattr__ in SETTERS:
        before = vars(then)
        for name, value in vars(now).items():
            if not name.isidentifier() or value is before.get(name, before):
                continue
            if plain(value) and not (name in before and equal(value, before[name])):
                yield Set(f"{path}.{name}", value)
            elif not plain(value):
                yield from _written(value, before.get(name), f"{path}.{name}")


def _untouched(module: nn.Module, fresh: nn.Module, frozen: bool) -> bool:
    """Whether nothing but its tensors' values was changed in a unit, as far as that is quickly told."""
    ours, theirs = module.__dict__, fresh.__dict__
    if module.training != fresh.training or not _same(ours, theirs) or type(module) is not type(fresh):
        return False
    if any(map(ours.get, HOOKS)) or any(map(theirs.get, HOOKS)):
        return False
    for group in ("_parameters", "_buffers"):
        have, had = ours[group], theirs[group]
        if list(have) != list(had):
            return False
        for name, tensor in have.items():
            before = had[name]
            if tensor is None or before is None:
                if tensor is not before:
                    return False
            elif vars(tensor) or (not frozen and tensor.requires_grad != before.requires_grad):
                return False
    return True


def _same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether two modules have the same attributes, as far as that is quickly told."""
    if len(ours) - (KEY in ours) != len(theirs) - (KEY in theirs):
        return False
    for name, value in ours.items():
        if name in TORCHS:
            continue
        other = theirs.get(name, ours)
        if value is other:
            continue
        kind = type(value)
        if kind is not type(other) or not (kind in WORDS or (kind is tuple and WORDS.issuperset(map(type, value)))):
            return False
        if value != other:
            return False
    return True


def plain(value: Any) -> bool:
    """Whether a value is a literal, or a tuple, list or dict of such."""
    if isinstance(value, tuple | list) and type(value) in (tuple, list, torch.Size):
        return all(map(plain, value))
    if type(value) is dict:
        return all(plain(k) and plain(v) for k, v in value.items())
    return type(value) in PLAIN or isinstance(value, torch.dtype)


def marks_of(tensor: Tensor) -> dict[str, Any]:
    """The attributes that a user gave a tensor: `weight.no_decay = True`."""
    return {name: value for name, value in vars(tensor).items() if not name.startswith(("_dynamo", "_is_param"))}


def marking(tensor: Tensor, path: str, known: Collection[str] = ()) -> Iterator[Set]:
    """Steps that give a tensor at `path` the plain attributes that a user gave it."""
    for name, value in marks_of(tensor).items():
        if plain(value) and name not in known:
            yield Set(f"{path}.{name}", value)


def equal(left: Any, right: Any) -> bool:
    if not plain(left) or not plain(right):
        return type(left) is type(right) and not (callable(left) and left is not right and not _same_name(left, right))
    return type(left) is type(right) and (bool(left == right) or left != left)


def _same_name(left: Any, right: Any) -> bool:
    return getattr(left, "__qualname__", type(left)) == getattr(right, "__qualname__", type(right))


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _flat(item)
    else:
        yield value


def _is_plain(value: Any) -> bool:
    return all(
        item is None or type(item) in (bool, int, float, str) or isinstance(item, torch.dtype) for item in _flat(value)
    )
