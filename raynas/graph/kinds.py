"""What is known of torch's own operations by name: which have state, draw random numbers, keep zeros, shapes, storage.

Nothing is known of any other operation, and nothing is assumed of it.
"""

from __future__ import annotations

from typing import Any

from raynas.graph.member import Unit
from raynas.graph.node import Node

IDENTITY = "torch.nn.Identity"
ZEROS = frozenset({"raynas.nn.zero.Zero", "raynas.nn.Zero"})
PLACEHOLDER = "raynas.nn.placeholder.Placeholder"

ACTIVATIONS_KEEP_ZERO = frozenset(
    f"torch.nn.{name}"
    for name in (
        *("CELU", "ELU", "GELU", "Hardshrink", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "RReLU", "ReLU", "ReLU6"),
        *("SELU", "SiLU", "Softshrink", "Softsign", "Tanh", "Tanhshrink"),
    )
)
"""Of these, `Hardtanh` keeps zeros only with its default bounds; see `keeps_zero`."""

ACTIVATIONS = ACTIVATIONS_KEEP_ZERO | frozenset(
    f"torch.nn.{name}"
    for name in ("Hardsigmoid", "LogSigmoid", "LogSoftmax", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus")
)
POOLS = frozenset(
    f"torch.nn.{kind}{d}d"
    for kind in ("AvgPool", "MaxPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "LPPool")
    for d in (1, 2, 3)
)
DROPOUTS = frozenset(
    f"torch.nn.{name}"
    for name in ("AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout")
)
RANDOM = DROPOUTS | {"torch.nn.RReLU"}
LAYOUT = frozenset(
    f"torch.nn.{name}"
    for name in (
        *("ChannelShuffle", "Flatten", "Fold", "Identity", "PixelShuffle", "PixelUnshuffle", "Unflatten", "Unfold"),
        *("Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d", "CosineSimilarity", "PairwiseDistance"),
        *(
            f"{kind}Pad{d}d"
            for kind in ("Circular", "Constant", "Reflection", "Replication", "Zero")
            for d in (1, 2, 3)
        ),
    )
)
STATELESS = ACTIVATIONS | POOLS | DROPOUTS | LAYOUT | ZEROS
"""Units without parameters and buffers: two of the same kind are as good as one."""

NORMS = frozenset(
    f"torch.nn.{name}"
    for name in (
        *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d"),
        *("InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm", "SyncBatchNorm"),
    )
)
CONVS = frozenset(f"torch.nn.Conv{d}d" for d in (1, 2, 3))
SAME_SHAPE = ACTIVATIONS | DROPOUTS | NORMS | ZEROS | {IDENTITY, "torch.nn.PReLU"}

FRESH = CONVS | NORMS | {"torch.nn.Linear", *(f"torch.nn.ConvTranspose{d}d" for d in (1, 2, 3)), "torch.nn.Embedding"}
"""Units that return one new tensor."""

SUMS = frozenset({"operator.add", "torch.add"})
PRODUCTS = frozenset({"operator.mul", "torch.mul"})
COMMUTATIVE = SUMS | PRODUCTS | {"torch.maximum", "torch.minimum", "torch.logical_and", "torch.logical_or"}

ELEMENTWISE = frozenset(
    f"{module}.{name}"
    for module in ("torch", "torch.nn.functional")
    for name in (
        *("abs", "celu", "cos", "elu", "erf", "exp", "gelu", "hardsigmoid", "hardswish", "leaky_relu", "logsigmoid"),
        *("mish", "neg", "relu", "relu6", "selu", "sigmoid", "silu", "sin", "softplus", "sqrt", "square", "tanh"),
    )
)
ELEMENTWISE_KEEP_ZERO = frozenset(
    name
    for name in ELEMENTWISE
    if name.rpartition(".")[2] not in ("cos", "exp", "hardsigmoid", "logsigmoid", "sigmoid", "softplus")
)
TENSOR_FUNCTIONS = ELEMENTWISE | frozenset(
    f"torch.{name}"
    for name in (
        *(
            "add",
            "bmm",
            "cat",
            "clamp",
            "concat",
            "div",
            "einsum",
            "flatten",
            "matmul",
            "mean",
            "mul",
            "permute",
            "pow",
        ),
        *("reshape", "stack", "sub", "sum", "transpose", "unsqueeze", "squeeze", "zeros_like", "ones_like", "where"),
    )
)
TENSOR_METHODS = frozenset(
    (
        *("abs", "add", "bmm", "clamp", "clone", "contiguous", "detach", "div", "exp", "expand", "flatten", "matmul"),
        *("mean", "mul", "permute", "pow", "relu", "reshape", "sigmoid", "softmax", "sqrt", "squeeze", "sub", "sum"),
        *("tanh", "transpose", "unsqueeze", "view", "view_as", "expand_as"),
    )
)
RANDOM_FUNCTIONS = frozenset(
    f"{module}.{name}"
    for module in ("torch", "torch.nn.functional")
    for name in (
        *("alpha_dropout", "bernoulli", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"),
        *("empty", "empty_like", "empty_strided", "gumbel_softmax", "multinomial", "normal", "poisson", "rand"),
        *("rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "rrelu"),
        *("scaled_dot_product_attention", "fractional_max_pool2d", "multi_head_attention_forward"),
    )
)
DETERMINISTIC_FUNCTIONS = (
    TENSOR_FUNCTIONS
    | COMMUTATIVE
    | frozenset(
        (
            *(f"operator.{n}" for n in ("sub", "truediv", "floordiv", "mod", "pow", "neg", "matmul", "getitem")),
            "builtins.getattr",
            "torch.nn.functional.pad",
            "torch.nn.functional.adaptive_avg_pool2d",
            "torch.nn.functional.avg_pool2d",
            "torch.nn.functional.max_pool2d",
        )
    )
)
PURE_METHODS = TENSOR_METHODS | {"size", "dim", "numel"}


def argument(unit: Unit, position: int, name: str, default: Any) -> Any:
    """A unit's constructor argument, by place or by name."""
    return unit.args[position] if position < len(unit.args) else unit.kwargs.get(name, default)


def in_place(unit: Unit) -> bool:
    """Whether a unit of torch writes into its input."""
    position = {"torch.nn.ReLU": 0, "torch.nn.ReLU6": 0, "torch.nn.SiLU": 0, "torch.nn.SELU": 0}.get(unit.target, 1)
    if unit.target in ("torch.nn.Hardtanh", "torch.nn.RReLU", "torch.nn.Threshold"):
        position = 2
    known = unit.target in ACTIVATIONS or unit.target in DROPOUTS or unit.target == "torch.nn.Threshold"
    return known and bool(argument(unit, position, "inplace", False))


def keeps_zero(unit: Unit) -> bool:
    """Whether a unit without parameters makes zeros of zeros."""
    if unit.target == "torch.nn.Hardtanh":
        return not unit.args and not unit.kwargs
    if unit.target in POOLS:
        return not argument(unit, 9, "return_indices", False)
    dropout = unit.target in ("torch.nn.Dropout", "torch.nn.Dropout1d", "torch.nn.Dropout2d", "torch.nn.Dropout3d")
    return unit.target in ACTIVATIONS_KEEP_ZERO or unit.target in ZEROS or unit.target == IDENTITY or dropout


def keeps_shape(unit: Unit) -> bool:
    """Whether a unit's output surely has its input's shape and dtype."""
    if unit.target in SAME_SHAPE:
        return True
    if unit.target in CONVS:
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


def writes(node: Node, unit: Unit | None) -> bool:
    """Whether a step changes a tensor that was there before, as far as its name tells."""
    if node.op == "module":
        return unit is not None and in_place(unit)
    if node.op == "method":
        return node.target.endswith("_") and not node.target.endswith("__")
    if node.op != "function":
        return False
    name = node.target.rpartition(".")[2]
    changes = node.target == "operator.setitem" or (node.target.startswith("operator.i") and name not in KEPT)
    return changes or name.endswith("_") or "out" in node.kwargs or bool(node.kwargs.get("inplace"))


KEPT = frozenset({"index", "inv", "invert", "is_", "is_not", "indexOf", "itemgetter"})
