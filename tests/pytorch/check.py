"""The law of the front door: what comes out of trace and to_source is the model that went in."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from raynas.errors import Notice
from raynas.graph import Graph
from raynas.pytorch import load_module, to_source, trace

IGNORED = {"_raynas_call", "training"}


def roundtrip(factory: Callable[[], nn.Module], **options: Any) -> tuple[str, list[str]]:
    """The source of a model that holds no choices, and the notices."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        graph = trace(factory, **options).freeze()
    source = to_source(graph)
    read = Graph.from_json(graph.to_json(), trust=("tests", "builtins", "functools", "torch", "math", "collections"))
    assert to_source(read) == source
    return source, [str(w.message) for w in caught if issubclass(w.category, Notice)]


def check(
    factory: Callable[[], nn.Module],
    *inputs: Any,
    opaque: tuple[str, ...] | None = None,
    fresh: bool = True,
    attributes: bool = True,
    **kwargs: Any,
) -> str:
    """Assert that the generated model is the original one; returns the source.

    Args:
        factory: builds the model.
        inputs, kwargs: of a call.
        opaque: exactly the modules that are kept whole, by path; None: whichever.
        fresh: whether the fresh weights must be bitwise equal, too.
        attributes: whether plain attributes must be equal, too.
    """
    source, notices = roundtrip(factory)
    if opaque is not None:
        assert [notice.partition(" ")[0] for notice in notices] == list(opaque), notices
    torch.manual_seed(5)
    original = factory()
    torch.manual_seed(5)
    generated = load_module(source)
    same_members(original, generated, values=fresh, attributes=attributes)
    with torch.no_grad():
        for tensor in original.state_dict().values():
            if isinstance(tensor, Tensor) and tensor.is_floating_point():
                tensor.add_(torch.randn_like(tensor.float()).to(tensor.dtype) * 0.1).abs_()
    generated.load_state_dict(original.state_dict(), strict=True)
    for mode in (True, False):
        original.train(mode)
        generated.train(mode)
        for seed in (1, 2):
            same_call(original, generated, inputs, kwargs, seed)
    return source


def same_members(original: nn.Module, generated: nn.Module, values: bool, attributes: bool) -> None:
    """Names, order, values, dtypes and flags of all tensors; plain attributes of all modules."""
    left, right = original.state_dict(), generated.state_dict()
    assert list(left) == list(right)
    for name, tensor in left.items():
        if not isinstance(tensor, Tensor):
            assert tensor == right[name], name
            continue
        assert tensor.dtype == right[name].dtype and tensor.shape == right[name].shape, name
        if values:
            assert torch.equal(tensor, right[name]), f"fresh {name}"
    assert [n for n, _ in original.named_parameters()] == [n for n, _ in generated.named_parameters()]
    for (name, one), (_, other) in zip(original.named_parameters(), generated.named_parameters(), strict=True):
        assert one.requires_grad == other.requires_grad, name
    for (name, one), (_, other) in zip(original.named_buffers(), generated.named_buffers(), strict=True):
        assert not values or torch.equal(one, other), name
    ours = dict(generated.named_modules())
    for path, module in original.named_modules():
        assert path in ours, path
        if attributes:
            assert plain(module).items() <= plain(ours[path]).items(), path


def plain(module: nn.Module) -> dict[str, Any]:
    kinds = (int, float, str, bool, tuple, type(None))
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and name not in IGNORED and isinstance(value, kinds) and literal(value)
    } | {"training": module.training}


def literal(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(literal, value))
    return value is None or type(value) in (int, float, str, bool)


def same_call(original: nn.Module, generated: nn.Module, inputs: Any, kwargs: Any, seed: int) -> None:
    """One call of both under one seed: results, random numbers drawn, gradients, buffers."""
    results, gradients, states = [], [], []
    for model in (original, generated):
        args, named = copied((inputs, kwargs))
        leaves = [t for t in tensors((args, named)) if t.requires_grad]
        torch.manual_seed(seed)
        result = model(*args, **named)
        states.append(torch.get_rng_state())
        results.append(result)
        total = sum((t.float().sum() for t in tensors(result) if t.requires_grad), torch.zeros(()))
        model.zero_grad()
        if isinstance(total, Tensor) and total.requires_grad:
            total.backward()
        gradients.append([p.grad for p in [*model.parameters(), *leaves]])
    same(results[0], results[1], "result")
    assert torch.equal(states[0], states[1]), "the random numbers drawn differ"
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None), "a gradient is missing"
        if one is not None:
            torch.testing.assert_close(other, one, rtol=1e-6, atol=1e-6, equal_nan=True)
    for (name, one), (_, other) in zip(original.named_buffers(), generated.named_buffers(), strict=True):
        torch.testing.assert_close(other, one, equal_nan=True, msg=name)


def copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    if type(value) in (tuple, list):
        return type(value)(map(copied, value))
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{f.name: copied(getattr(value, f.name)) for f in dataclasses.fields(value)})
    return copy.deepcopy(value)


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [t for item in value for t in tensors(item)]
    if isinstance(value, dict):
        return [t for item in value.values() for t in tensors(item)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [t for f in dataclasses.fields(value) for t in tensors(getattr(value, f.name))]
    return []


def same(one: Any, other: Any, where: str) -> None:
    """Equal values, shapes, dtypes and containers."""
    assert type(one) is type(other), f"{where}: {type(one)} and {type(other)}"
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype and one.shape == other.shape, where
        assert one.requires_grad == other.requires_grad, f"{where}.requires_grad"
        torch.testing.assert_close(other, one, rtol=0, atol=0, equal_nan=True, msg=where)
    elif isinstance(one, tuple | list):
        assert len(one) == len(other), where
        for position, (left, right) in enumerate(zip(one, other, strict=True)):
            same(left, right, f"{where}[{position}]")
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            same(one[key], other[key], f"{where}[{key!r}]")
    elif dataclasses.is_dataclass(one):
        for item in dataclasses.fields(one):
            same(getattr(one, item.name), getattr(other, item.name), f"{where}.{item.name}")
    else:
        assert one == other, where
