"""Property: whatever small network is drawn, with or without choices, comes back as it went in."""

from __future__ import annotations

import os
import random
import warnings
from typing import Any

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from raynas import InputChoice, LayerChoice, ModelSpace, Repeat, ValueChoice
from raynas.errors import Notice
from raynas.graph import Graph
from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.check import check

WIDTH = 4
EXAMPLES = int(os.environ.get("RAYNAS_EXAMPLES", "60"))
X = torch.linspace(-1, 1, 3 * WIDTH).reshape(3, WIDTH)

SHAPES = st.recursive(
    st.sampled_from(["linear", "norm", "relu", "dropout", "identity", "scale", "shared"]),
    lambda inner: st.one_of(
        st.tuples(st.just("sequence"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("residual"), inner),
        st.tuples(st.just("branches"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("loop"), st.lists(inner, min_size=1, max_size=3)),
        st.tuples(st.just("twice"), inner),
        st.tuples(st.just("dict"), inner),
    ),
    max_leaves=8,
)
CHOICES = st.recursive(
    SHAPES,
    lambda inner: st.one_of(
        st.tuples(st.just("choice"), st.lists(inner, min_size=2, max_size=3)),
        st.tuples(st.just("repeat"), inner, st.integers(1, 3)),
        st.tuples(st.just("pick"), st.lists(inner, min_size=2, max_size=3), st.integers(1, 2)),
        st.tuples(st.just("width"), st.sampled_from([2, 3])),
    ),
    max_leaves=3,
)


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.randn(WIDTH) * 0.5)
        self.register_buffer("shift", torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.shift


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + x


class Branches(nn.Module):
    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        outs = [part(x) for part in self.parts]
        return torch.stack(outs, dim=0).mean(0)


class Loop(nn.Module):
    def __init__(self, parts: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({f"part{i}": part for i, part in enumerate(parts)})
        self.gain = 0.5

    def forward(self, x: Tensor) -> Tensor:
        for i, part in enumerate(self.parts.values()):
            x = part(x) * self.gain + i
        return x


class Twice(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.inner(x))


class Pack(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"x": x, "pair": (x + 1, [x * 2])}


class Packed(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.pack = Pack()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        parts = self.pack(x)
        return self.inner(parts["pair"][0]) + parts["pair"][1][0]


class Wide(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        width = ValueChoice([2, 4 * factor])
        self.up = nn.Linear(WIDTH, width * 2)
        self.down = nn.Linear(width * 2, WIDTH, bias=ValueChoice([True, False]))
        self.drop = nn.Dropout(ValueChoice([0.0, 0.3]))

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.down(torch.relu(self.up(x))))


class Narrow(nn.Module):
    """`Wide` as one writes it without choices: each at its default."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(WIDTH, 4)
        self.down = nn.Linear(4, WIDTH, bias=True)
        self.drop = nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.down(torch.relu(self.up(x))))


class Picked(nn.Module):
    def __init__(self, parts: list[nn.Module], most: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.pick = InputChoice(len(parts), (1, most), reduction="mean")

    def forward(self, x: Tensor) -> Tensor:
        return self.pick([part(x) for part in self.parts])


def built(shape: Any, shared: nn.Module) -> nn.Module:
    """The module that a drawn shape stands for."""
    if isinstance(shape, str):
        match shape:
            case "linear":
                return nn.Linear(WIDTH, WIDTH)
            case "norm":
                return nn.LayerNorm(WIDTH)
            case "relu":
                return nn.ReLU()
            case "dropout":
                return nn.Dropout(0.4)
            case "scale":
                return Scale()
            case "shared":
                return shared
        return nn.Identity()
    kind, inner, *rest = shape
    match kind:
        case "sequence":
            return nn.Sequential(*(built(item, shared) for item in inner))
        case "residual":
            return Residual(built(inner, shared))
        case "branches":
            return Branches([built(item, shared) for item in inner])
        case "loop":
            return Loop([built(item, shared) for item in inner])
        case "twice":
            return Twice(built(inner, shared))
        case "dict":
            return Packed(built(inner, shared))
        case "choice":
            return LayerChoice([built(item, shared) for item in inner])
        case "repeat":
            return Repeat(lambda i: built(inner, shared), depth=(0, rest[0]))
        case "pick":
            return Picked([built(item, shared) for item in inner], rest[0])
        case "narrow":
            return Narrow()
    return Wide(inner)


def at_defaults(shape: Any) -> Any:
    """The shape of the model that a person writes who has made every choice at its default."""
    if isinstance(shape, str):
        return shape
    kind, inner, *rest = shape
    match kind:
        case "choice":
            return at_defaults(inner[0])
        case "repeat":
            return "identity"
        case "width":
            return ("narrow", inner)
    parts = [at_defaults(item) for item in inner] if isinstance(inner, list) else at_defaults(inner)
    return (kind, parts, *rest)


class Network(ModelSpace):
    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.shared = nn.Linear(WIDTH, WIDTH)
        self.body = built(shape, self.shared)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.body(x)
        return self.head(y), y


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(SHAPES)
def test_a_network_without_choices_comes_back_as_it_went_in(shape: Any) -> None:
    check(lambda: Network(shape), X, opaque=())


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(CHOICES, st.integers(0, 2**32))
def test_every_sample_is_a_network_that_comes_back(shape: Any, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        space = trace(Network(shape))
    again = Graph.from_json(space.to_json())
    assert again.to_json() == space.to_json()
    assert trace(Network(shape)).to_json() == space.to_json()
    rng = random.Random(seed)
    samples = [space.search_space.default(), *(space.search_space.random(rng) for _ in range(2))]
    for sample in samples:
        graph = space.freeze(sample)
        source = to_source(graph)
        assert to_source(Graph.from_json(graph.to_json())) == source
        generated = load_module(source)
        torch.manual_seed(3)
        result = generated(X)
        assert result[0].shape == (3, 2) and result[1].shape == (3, WIDTH)
        if sample == samples[0]:
            matches_the_default(Network(shape), generated)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(CHOICES)
def test_fresh_weights_of_a_default_sample_are_those_of_the_model_written_without_choices(shape: Any) -> None:
    assume("'pick'" not in repr(shape))
    space = trace(Network(shape))
    source = to_source(space.freeze(space.search_space.default()))
    torch.manual_seed(4)
    generated = load_module(source)
    torch.manual_seed(4)
    written = Network(at_defaults(shape))
    ours, theirs = list(generated.parameters()), list(written.parameters())
    assert len(ours) == len(theirs)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def matches_the_default(original: nn.Module, generated: nn.Module) -> None:
    """The generated model of the default sample computes what the space itself computes, given its weights."""
    from raynas.pytorch.proof import paths_of

    with torch.no_grad():
        for path, place in paths_of(original).items():
            ours, theirs = original.get_submodule(path), generated.get_submodule(place)
            for kind in ("_parameters", "_buffers"):
                for name, tensor in getattr(ours, kind).items():
                    if tensor is not None:
                        getattr(theirs, kind)[name].copy_(tensor)
    for training in (True, False):
        original.train(training)
        generated.train(training)
        results = []
        for model in (original, generated):
            torch.manual_seed(1)
            results.append(model(X))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other)
