"""Nature: what is known of a unit, by its class and the arguments of its constructor."""

from __future__ import annotations

from typing import Any, NamedTuple

from raynas.graph import kinds
from raynas.graph.member import Unit

INPLACE_AT = {
    **dict.fromkeys(("ReLU", "ReLU6", "SiLU", "SELU", "Mish", "Hardsigmoid", "Hardswish"), 0),
    **dict.fromkeys(("Hardtanh", "RReLU", "Threshold"), 2),
}
"""Where `inplace` stands among a constructor's arguments, unless it is the second."""

UNTOLD = frozenset({"momentum", "eps", "training", "bias", "weight", "requires_grad"})
"""Attributes that say nothing of what is told of a unit: neither its shapes nor its zeros hang on them."""

INDICES_AT = {f"torch.nn.{kind}Pool{d}d": at for kind, at in (("Max", 4), ("AdaptiveMax", 1)) for d in (1, 2, 3)}
"""Where `return_indices` stands among a constructor's arguments."""


class Nature(NamedTuple):
    """What is known of a unit; nothing is assumed of one that is not torch's own.

    Attributes:
        in_place: it writes into its input.
        stateless: it has neither parameters nor buffers.
        twin: two of the same text with the same input give the same, so that one is enough.
        fresh: it returns one new tensor.
        role: what a step that calls it does, as in `Step`.
        identity: it gives back its input.
        keeps_zero: it has no parameters, and makes zeros of zeros.
        keeps_shape: its output surely has its input's shape and dtype.
        promotes: the dtype only where the input is of floats.
    """

    in_place: bool
    stateless: bool
    twin: bool
    fresh: bool
    role: str
    identity: bool
    keeps_zero: bool
    keeps_shape: bool
    promotes: bool


def nature(unit: Unit) -> Nature:
    """A unit's nature."""
    target = unit.target
    writes, stateless = in_place(unit), target in kinds.STATELESS
    if not UNTOLD.issuperset(unit.changed):
        # What it does is no longer what its constructor's arguments say.
        writes = writes or "inplace" in unit.changed
        return Nature(writes, stateless, False, target in kinds.FRESH, "", False, False, False, False)
    return Nature(
        in_place=writes,
        stateless=stateless,
        twin=stateless and target not in kinds.RANDOM and not writes and not unit.changed,
        fresh=target in kinds.FRESH,
        role="" if gives_indices(unit) else kinds.ROLES.get(target, ""),
        identity=target == kinds.IDENTITY,
        keeps_zero=keeps_zero(unit),
        keeps_shape=keeps_shape(unit),
        promotes=target in kinds.PROMOTING,
    )


def argument(unit: Unit, position: int, name: str, default: Any) -> Any:
    """A unit's constructor argument, by place or by name."""
    return unit.args[position] if position < len(unit.args) else unit.kwargs.get(name, default)


def in_place(unit: Unit) -> bool:
    """Whether a unit of torch writes into its input."""
    name = unit.target.removeprefix("torch.nn.")
    known = unit.target in kinds.ACTIVATIONS or unit.target in kinds.DROPOUTS or name == "Threshold"
    return known and bool(argument(unit, INPLACE_AT.get(name, 1), "inplace", False))


def gives_indices(unit: Unit) -> bool:
    """Whether a pooling returns two tensors."""
    at = INDICES_AT.get(unit.target)
    return at is not None and bool(argument(unit, at, "return_indices", False))


def keeps_zero(unit: Unit) -> bool:
    """Whether a unit without parameters makes zeros of zeros."""
    if unit.target == "torch.nn.Hardtanh":
        return not unit.args and not unit.kwargs
    if unit.target in kinds.POOLS:
        return not gives_indices(unit)
    dropout = unit.target in ("torch.nn.Dropout", "torch.nn.Dropout1d", "torch.nn.Dropout2d", "torch.nn.Dropout3d")
    activation = unit.target in kinds.ACTIVATIONS_KEEP_ZERO
    return activation or dropout or unit.target in kinds.ZEROS or unit.target == kinds.IDENTITY


def keeps_shape(unit: Unit) -> bool:
    """Whether a unit's output surely has its input's shape and dtype."""
    if unit.target in kinds.SAME_SHAPE:
        return True
    if unit.target in kinds.CONVS:
        channels = argument(unit, 0, "in_channels", None), argument(unit, 1, "out_channels", 0)
        window = argument(unit, 2, "kernel_size", None), argument(unit, 3, "stride", 1)
        padding, dilation = argument(unit, 4, "padding", 0), argument(unit, 5, "dilation", 1)
        return channels[0] == channels[1] and _centred(window[0], window[1], padding, dilation)
    if unit.target.startswith(("torch.nn.AvgPool", "torch.nn.MaxPool")):
        kernel = argument(unit, 0, "kernel_size", None)
        extra = unit.kwargs.get("ceil_mode"), unit.kwargs.get("return_indices"), unit.kwargs.get("dilation", 1) != 1
        return (
            not any(extra)
            and len(unit.args) <= 3
            and _centred(kernel, argument(unit, 1, "stride", kernel), argument(unit, 2, "padding", 0), 1)
        )
    return False


def _centred(kernel: Any, stride: Any, padding: Any, dilation: Any) -> bool:
    if padding == "same":
        return _all(stride, 1)
    if isinstance(padding, str):
        return False
    sizes = [item if isinstance(item, tuple | list) else (item,) * 3 for item in (kernel, padding, dilation)]
    return _all(stride, 1) and all(
        isinstance(k, int) and k % 2 == 1 and 2 * p == d * (k - 1) for k, p, d in zip(*sizes, strict=False)
    )


def _all(value: Any, wanted: int) -> bool:
    return all(item == wanted for item in value) if isinstance(value, tuple | list) else bool(value == wanted)
