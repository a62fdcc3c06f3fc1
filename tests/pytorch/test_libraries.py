"""Calls of einops become steps, its layers are units."""

from __future__ import annotations

import pytest
import torch
from einops import einsum, pack, rearrange, reduce, repeat, unpack
from einops.layers.torch import EinMix, Rearrange
from torch import Tensor, nn

from raynas import LayerChoice, ModelSpace, ValueChoice
from raynas.graph import Graph
from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.check import check, same_call


class Attention(nn.Module):
    """A token in front of the others, heads, and a mean over all."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(4))
        self.tokens = nn.Sequential(Rearrange("b (n d) -> b n d", d=4), nn.Linear(4, 4))
        self.mix = EinMix("b n d -> b n e", weight_shape="d e", bias_shape="e", d=4, e=4)
        self.qkv = nn.Linear(4, 12)
        self.register_buffer("grid", rearrange(torch.arange(8), "(a b) -> a b", a=2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(self.tokens(x))
        token = repeat(self.token, "d -> b d", b=x.shape[0])
        x, shapes = pack([token, x], "b * d")
        q, k, v = (rearrange(part, "b n (h d) -> b h n d", h=2) for part in self.qkv(x).chunk(3, dim=-1))
        weights = einsum(q, k, "b h i d, b h j d -> b h i j").softmax(-1)
        token, x = unpack(rearrange(weights @ v, "b h n d -> b n (h d)"), shapes, "b * d")
        return reduce(x, "b n d -> b d", "mean") + token + self.grid.sum()


def test_calls_and_layers_come_back_for_every_size() -> None:
    source = check(Attention, torch.randn(2, 8), opaque=())
    assert "from einops import einsum, pack, rearrange, reduce, repeat, unpack" in source
    assert "Rearrange('b (n d) -> b n d', d=4)".replace("'", '"') in source
    original, generated = Attention(), load_module(source)
    generated.load_state_dict(original.state_dict())
    same_call(original, generated, (torch.randn(5, 16),), {}, 0)


def helper(x: Tensor, pattern: str) -> Tensor:
    packed, shapes = pack([x], pattern)
    (whole,) = unpack(packed * 2, packed_shapes=shapes, pattern=pattern)
    return whole


class Helped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return helper(rearrange([x, x + 1], "two b d -> b (two d)"), "* d")


def test_helpers_and_lists_of_tensors_are_followed() -> None:
    check(Helped, torch.randn(2, 4), opaque=())


def test_a_document_may_name_them_and_nothing_else_of_the_library() -> None:
    graph = trace(Attention).freeze()
    text = graph.to_json()
    assert to_source(Graph.from_json(text)) == to_source(graph)
    with pytest.raises(Exception, match="einops"):
        Graph.from_json(text.replace("einops.rearrange", "einops.asnumpy"))


class Reduced(nn.Module):
    """Its own function reduces: a graph has no place for it."""

    def forward(self, x: Tensor) -> Tensor:
        return reduce(x, "b d -> b", lambda tensor, axes: tensor.sum(axes))


def test_a_call_with_a_function_is_kept_whole() -> None:
    check(Reduced, torch.randn(2, 4), opaque=("the",))


class Space(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.cut = Rearrange("b (n d) -> b n d", n=ValueChoice([1, 2], label="n"))
        self.last = LayerChoice([Rearrange("b n d -> b (n d)"), nn.Flatten()], label="last")

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.cut(x) * 2)


def test_choices_stand_in_its_layers() -> None:
    space = trace(Space())
    assert "n=2" in to_source(space.freeze({"n": 2, "last": 0}))
    x = torch.randn(2, 4)
    for sample in space.search_space.grid():
        assert torch.equal(space.build(sample)(x), x * 2)


def test_tracing_leaves_the_functions_as_they_were() -> None:
    code = rearrange.__code__
    trace(Attention)
    assert rearrange.__code__ is code and rearrange(torch.zeros(2, 3), "a b -> b a").shape == (3, 2)
