"""Profile: the numbers of a candidate. Plain values, that know nothing of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TensorSpec:
    """Shape and element type of a tensor; `str` of it is "float32[2, 10]"."""

    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True)
class Layer:
    """A row of a profile's table.

    Attributes:
        path: of the layer, below the model; a function's is that of its module and its node.
        type: class name; of a function, its qualified name.
        output: of its last call: a `TensorSpec`, or tuples, lists and dicts of these; None where it is never called.
        params: how many it owns; what is shared counts where it stands first.
        flops: of all its calls.
        activation_bytes: of all its calls' outputs; 0 for functions.
    """

    path: str
    type: str
    output: Any
    params: int
    flops: int
    activation_bytes: int = 0


@dataclass(frozen=True)
class Profile:
    """What a candidate costs and gives, for one call with the inputs that were profiled.

    Attributes:
        params: how many parameters it has, trainable or not, called or not; shared ones once.
        flops: as `torch.utils.flop_counter.FlopCounterMode` counts them: two for each multiply-accumulate of
            convolutions, matrix products and attention; it counts nothing else. `macs` is half of it.
        activation_bytes: the size of all units' outputs together.
        output: what the model returns: a `TensorSpec`, or tuples, lists and dicts of these.
        layers: the table; its columns add up to the numbers above.
    """

    params: int
    flops: int
    activation_bytes: int
    output: Any
    layers: tuple[Layer, ...] = ()

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.flops // 2

    @classmethod
    def of(cls, layers: Sequence[Layer], output: Any) -> Profile:
        """The sums of a table."""
        return cls(
            sum(layer.params for layer in layers),
            sum(layer.flops for layer in layers),
            sum(layer.activation_bytes for layer in layers),
            described(output),
            tuple(layers),
        )

    def table(self) -> str:
        """The layers as aligned text, one a line, with a line of sums."""
        rows = [("layer", "type", "output", "params", "FLOPs")]
        rows += [(r.path, r.type, shown(r.output), f"{r.params:,}", f"{r.flops:,}") for r in self.layers]
        rows.append(("", "", shown(self.output), f"{self.params:,}", f"{self.flops:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )


def described(value: Any) -> Any:
    """A value whose tensors are specs, or tensors, with each as a `TensorSpec`."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return TensorSpec(tuple(value.shape), str(value.dtype).removeprefix("torch."))
    if isinstance(value, tuple | list):
        return (list if isinstance(value, list) else tuple)(described(item) for item in value)
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    return value


def shown(value: Any) -> str:
    """An output as text."""
    if isinstance(value, tuple | list):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    return "" if value is None else str(value)
