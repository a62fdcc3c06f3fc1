"""Labels: the choices of a model, each named after where it stands first."""

from __future__ import annotations

from torch import nn

from raynas.nn.recording import construction
from raynas.pytorch.reasons import choices_of
from raynas.search_space import Leaf
from raynas.search_space.expression import leaves
from raynas.serializer import Call, parameter


def has_choices(root: nn.Module) -> bool:
    """Whether anything in a model is left to choose."""
    return bool(_choices(root))


def name_labels(root: nn.Module) -> None:
    """Name every unlabelled choice after where it stands first: `stem.kernel_size`, `blocks.0.op`."""
    taken = {leaf.label for leaf, _ in _choices(root)}
    for leaf, wanted in _choices(root):
        if leaf.label is None:
            label, count = wanted or "model", 2
            while label in taken:
                label, count = f"{wanted}_{count}", count + 1
            leaf.label = label
            taken.add(label)


def value_choices(root: nn.Module) -> list[Leaf]:
    """The choices in a model that are made of values, not those of its layers and inputs."""
    return [leaf for leaf, _ in _choices(root) if type(leaf) is not Leaf]


def _holds_choice(call: Call) -> bool:
    """Whether a choice stands among a call's arguments."""
    return any(True for _ in leaves([call.args, dict(call.kwargs)]))


def _choices(root: nn.Module) -> list[tuple[Leaf, str]]:
    found: list[tuple[Leaf, str]] = []
    for path, module in root.named_modules():
        own = choices_of(module)
        if own:
            found += [(leaf, path) for leaf in own]
            continue
        if (call := construction(module)) is not None and _holds_choice(call):
            named = {parameter(call.target, i): arg for i, arg in enumerate(call.args)} | dict(call.kwargs)
            for name, arg in named.items():
                if not isinstance(arg, nn.Module):
                    found += [(leaf, f"{path}.{name}".lstrip(".")) for leaf in leaves(arg)]
        for name, value in vars(module).items():
            if not name.startswith("_"):
                found += [(leaf, f"{path}.{name}".lstrip(".")) for leaf in leaves(value)]
    return found
