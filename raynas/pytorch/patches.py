"""Patches: what torch does otherwise while a forward is traced."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from raynas.pytorch.arguments import LITERALS
from raynas.pytorch.proxy import Untraceable, is_inside, is_traced

FACTORIES = (
    *("arange", "bartlett_window", "blackman_window", "empty", "empty_strided", "eye", "full", "hamming_window"),
    *("hann_window", "linspace", "logspace", "normal", "ones", "rand", "randint", "randn", "randperm", "tensor"),
    *("tril_indices", "triu_indices", "zeros", "complex", "as_tensor", "from_numpy"),
)
"""Functions of `torch` that make tensors of plain numbers: each call becomes a node, made anew in each run."""

MODES = (
    *("is_grad_enabled", "is_inference_mode_enabled", "is_autocast_enabled", "get_autocast_dtype"),
    *("is_autocast_cpu_enabled", "get_autocast_gpu_dtype", "get_default_dtype", "get_default_device"),
)
"""Functions of `torch` that ask in what mode the caller runs."""

LIMITS = ("finfo", "iinfo")
"""Classes of `torch` that tell the limits of a dtype: of a value's dtype, they are made in each run."""

CHANGES = (
    *("register_buffer", "register_parameter", "add_module", "register_module", "__delattr__", "train", "apply"),
    *("_apply", "requires_grad_", "zero_grad", "load_state_dict", "register_forward_hook", "set_submodule"),
    *("register_forward_pre_hook", "register_full_backward_hook"),
)
"""Methods of modules that change them."""


@contextmanager
def patched(
    factory: Callable[[Any, Any, Any], Any], attribute: Callable[[nn.Module], Any], known: Mapping[int, str]
) -> Iterator[None]:
    """While a forward is traced: factories make nodes, `training` is read at run time, modules cannot be changed.

    Args:
        factory: makes the node of a call of one of the `FACTORIES`, from the function and its arguments.
        attribute: reads a module's `training` at run time.
        known: the model's own modules, by object.
    """

    def make(function: Any) -> Any:
        return lambda *args, **kwargs: factory(function, args, kwargs)

    def training(module: nn.Module) -> Any:
        return attribute(module) if id(module) in known else module.__dict__["training"]  # or made in forward

    def set_training(module: nn.Module, value: bool) -> None:
        module.__dict__["training"] = value

    def assign(module: nn.Module, name: str, value: Any) -> None:
        if id(module) in known and not _is_already(module.__dict__.get(name, known), value):
            raise Untraceable(f"sets self.{name} in forward")
        originals["__setattr__"](module, name, value)

    def refused(function: Any) -> Any:
        def change(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if id(module) in known:
                raise Untraceable(f"calls {function.__name__}() of a module in forward")
            return function(module, *args, **kwargs)

        return change

    def asked(function: Any) -> Any:
        def ask(*args: Any, **kwargs: Any) -> Any:
            if not is_inside(sys._getframe(1)):
                raise Untraceable(f"asks torch.{function.__name__}()")
            return function(*args, **kwargs)

        return ask

    def is_tensor(value: Any) -> bool:
        if is_traced(value):
            raise Untraceable("asks for the type of a value that only the run knows")
        return isinstance(value, torch.Tensor)

    def is_kind(value: Any, kind: Any) -> bool:
        if is_traced(value):
            raise Untraceable("asks for the type of a value that only the run knows")
        return bool(ask_kind(value, kind))  # type: ignore[no-untyped-call]  # torch's own

    def is_callable(value: Any) -> bool:
        if is_traced(value) and not is_inside(sys._getframe(1)):
            raise Untraceable("asks callable() of a value that only the run knows")
        return ask_callable(value)

    def limits(function: Any) -> Any:
        def of(*args: Any) -> Any:
            return factory(function, args, {}) if any(map(is_traced, args)) else function(*args)

        return of

    ask_callable, ask_kind = callable, torch.jit.isinstance
    functions = {
        name: getattr(torch, name) for name in (*FACTORIES, *MODES, *LIMITS, "is_tensor") if hasattr(torch, name)
    }
    originals = {name: getattr(nn.Module, name) for name in (*CHANGES, "__setattr__") if hasattr(nn.Module, name)}
    try:
        for name, function in functions.items():
            new = (
                limits(function)
                if name in LIMITS
                else is_tensor
                if name == "is_tensor"
                else make(function)
                if name in FACTORIES
                else asked(function)
            )
            setattr(torch, name, new)
        for name, function in originals.items():
            setattr(nn.Module, name, assign if name == "__setattr__" else refused(function))
        torch.jit.isinstance = is_kind
        builtins.callable = is_callable  # type: ignore[assignment]  # put back below
        nn.Module.training = property(training, set_training)  # type: ignore[assignment]  # removed below
        yield
    finally:
        for name, function in functions.items():
            setattr(torch, name, function)
        for name, function in originals.items():
            setattr(nn.Module, name, function)
        builtins.callable, torch.jit.isinstance = ask_callable, ask_kind
        del nn.Module.training


def _is_already(value: Any, other: Any) -> bool:
    """Whether an attribute that holds a value is set to that same value, so that nothing happens."""
    return type(value) is type(other) and type(value) in LITERALS and (value == other)
