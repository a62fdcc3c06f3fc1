"""A small vision transformer (Dosovitskiy et al., 2021) that chooses its width, its depth and what its blocks are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice


class Attention(nn.Module):
    """Self-attention."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Block(nn.Module):
    """Attention and a perceptron, each normalised before and added to what came in."""

    def __init__(self, width: int, position: int, dropout: float) -> None:
        super().__init__()
        name = f"block{position}"
        heads = ValueChoice([4, 2, 8], label=f"{name}.heads")
        hidden = width * ValueChoice([2, 3, 4], label=f"{name}.ratio")
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden),
            LayerChoice({"gelu": nn.GELU(), "relu": nn.ReLU(), "silu": nn.SiLU()}, label="activation"),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(ModelSpace):
    """Patches, blocks, the mean of all patches.

    Args:
        image: height and width in pixels.
        channels: of the image.
        classes: to tell apart.
    """

    def __init__(self, image: int = 32, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        width = ValueChoice([64, 96, 128], label="width")
        patch = ValueChoice([4, 8], label="patch")
        dropout = ValueChoice.uniform(0.0, 0.3, label="dropout")
        self.embed = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Embedding((image // patch) ** 2, width)
        self.blocks = Repeat(lambda i: Block(width, i, dropout), depth=(2, 6), label="depth")
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2) + self.position.weight
        return self.head(self.norm(self.blocks(patches)).mean(1))


def example_inputs() -> tuple[Tensor]:
    """One image of CIFAR."""
    return (torch.zeros(1, 3, 32, 32),)
