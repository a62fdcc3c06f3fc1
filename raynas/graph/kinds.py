"""What is known of torch's own operations by name: which have state, draw random numbers, keep zeros, shapes, storage.

Nothing is known of any other operation, and nothing is assumed of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

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
PROMOTING = frozenset(
    (
        *(f"torch.nn.{name}" for name in ("LocalResponseNorm", "Sigmoid", "Softsign", "Tanh", "Tanhshrink")),
        *(f"torch.{name}" for name in ("cos", "erf", "exp", "sigmoid", "sin", "sqrt", "square", "tanh")),
        *(f"torch.nn.functional.{name}" for name in ("sigmoid", "tanh")),
    )
)
"""What makes floats of whole numbers, or whole numbers of booleans: it keeps the dtype of floats only."""

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


SWAPPED = COMMUTATIVE - SUMS
"""Functions of two operands that can be swapped, whatever they are; a `+` may also join tuples."""

ARITHMETIC = SUMS | PRODUCTS
MIXING = ARITHMETIC | {f"operator.{name}" for name in ("matmul", "neg", "pow", "sub", "truediv")}
ALIKE = (
    (STATELESS | ELEMENTWISE)
    - PROMOTING
    - {
        *(IDENTITY, "torch.abs", "torch.nn.CosineSimilarity", "torch.nn.PairwiseDistance"),
        *(f"torch.nn.LPPool{d}d" for d in (1, 2, 3)),
    }
)
ROLES: Mapping[str, str] = {
    **dict.fromkeys(MIXING, "mixes"),
    **dict.fromkeys(TENSOR_FUNCTIONS - {"torch.where"}, "gives"),  # of one argument, it gives a tuple
    **dict.fromkeys((STATELESS - {IDENTITY}) | ELEMENTWISE, "maps"),
    **dict.fromkeys(ALIKE | {"torch.zeros_like", "torch.ones_like"}, "alike"),
    **dict.fromkeys(FRESH, "makes"),
    **dict.fromkeys(("torch.nn.Embedding", "torch.nn.LocalResponseNorm"), "turns"),
    "operator.getitem": "keeps",
}
"""What is known of a unit's or function's value, as in `Step`."""

INPLACE_AT = {
    **dict.fromkeys(("relu", "relu6", "silu", "selu", "mish", "hardsigmoid", "hardswish"), 1),
    **dict.fromkeys(("elu", "celu", "leaky_relu"), 2),
    **dict.fromkeys(("hardtanh", "threshold", "dropout", "alpha_dropout", "feature_alpha_dropout"), 3),
    **dict.fromkeys(("dropout1d", "dropout2d", "dropout3d"), 3),
    "rrelu": 4,
}
"""Where `inplace` stands among the arguments of functions of `torch.nn.functional`."""


def writes(node: Node, unit: Unit | None) -> bool:
    """Whether a step changes a tensor that was there before, as far as its name tells."""
    op = node.op
    if op == "module":
        return unit is not None and unit.nature.in_place
    if op == "method":
        return node.target.endswith("_") and not node.target.endswith("__")
    if op != "function":
        return False
    changes, place = _changes(node.target)
    if changes or (place is not None and len(node.args) > place and bool(node.args[place])):
        return True
    return bool(node.kwargs) and ("out" in node.kwargs or bool(node.kwargs.get("inplace")))


def is_calm(function: str) -> bool:
    """Whether a function writes into its arguments only where a keyword argument tells it to."""
    return _changes(function) == (False, None)


@lru_cache(maxsize=4096)
def _changes(function: str) -> tuple[bool, int | None]:
    """Whether a function always writes into an argument; and where the argument stands that may tell it to."""
    module, _, name = function.rpartition(".")
    always = function == "operator.setitem" or (function.startswith("operator.i") and name not in KEPT)
    return always or name.endswith("_"), INPLACE_AT.get(name) if module == "torch.nn.functional" else None


KEPT = frozenset({"index", "inv", "invert", "is_", "is_not", "indexOf", "itemgetter"})
