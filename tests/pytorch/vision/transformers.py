"""ConvNeXt (Liu et al. 2022), Swin (Liu et al. 2021) and ViT (Dosovitskiy et al. 2020)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.vision.mobile import ConvNormActivation, StochasticDepth


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Permute(nn.Module):
    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return torch.permute(x, self.dims)


class CNBlock(nn.Module):
    def __init__(self, dim: int, layer_scale: float, drop: float, norm: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(in_features=dim, out_features=4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(in_features=4 * dim, out_features=dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        result = self.layer_scale * self.block(x)
        result = self.stochastic_depth(result)
        result += x
        return result


class ConvNeXt(nn.Module):
    def __init__(self, dims: tuple[int, ...] = (96, 192, 384, 768), depths: tuple[int, ...] = (3, 3, 9, 3)) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        norm2d = partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [ConvNormActivation(3, dims[0], 4, 4, norm_layer=norm2d, activation_layer=None)]
        total, done = sum(depths), 0
        for i, (dim, depth) in enumerate(zip(dims, depths, strict=True)):
            stage: list[nn.Module] = []
            for _ in range(depth):
                stage.append(CNBlock(dim, 1e-6, 0.1 * done / (total - 1.0), norm))
                done += 1
            layers.append(nn.Sequential(*stage))
            if i + 1 < len(dims):
                layers.append(nn.Sequential(norm2d(dim), nn.Conv2d(dim, dims[i + 1], kernel_size=2, stride=2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm2d(dims[-1]), nn.Flatten(1), nn.Linear(dims[-1], 10))
        for m in self.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


class MLP(nn.Sequential):
    def __init__(self, inside: int, hidden: list[int], dropout: float) -> None:
        layers: list[nn.Module] = []
        for width in hidden[:-1]:
            layers += [nn.Linear(inside, width), nn.GELU(), nn.Dropout(dropout)]
            inside = width
        layers += [nn.Linear(inside, hidden[-1]), nn.Dropout(dropout)]
        super().__init__(*layers)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.normal_(m.bias, std=1e-6)


def window_attention(
    x: Tensor,
    qkv: nn.Linear,
    proj: nn.Linear,
    bias: Tensor,
    window: list[int],
    heads: int,
    shift: list[int],
    training: bool,
) -> Tensor:
    b, h, w, c = x.shape
    if sum(shift) > 0:
        x = torch.roll(x, shifts=(-shift[0], -shift[1]), dims=(1, 2))
    count = (h // window[0]) * (w // window[1])
    x = x.view(b, h // window[0], window[0], w // window[1], window[1], c)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(b * count, window[0] * window[1], c)
    q, k, v = (
        F.linear(x, qkv.weight, qkv.bias).reshape(x.size(0), x.size(1), 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    )
    q = q * (c // heads) ** -0.5
    attention = q.matmul(k.transpose(-2, -1)) + bias
    attention = F.dropout(F.softmax(attention, dim=-1), p=0.1, training=training)
    x = attention.matmul(v).transpose(1, 2).reshape(x.size(0), x.size(1), c)
    x = F.linear(x, proj.weight, proj.bias)
    x = x.view(b, h // window[0], w // window[1], window[0], window[1], c)
    x = x.permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
    if sum(shift) > 0:
        x = torch.roll(x, shifts=(shift[0], shift[1]), dims=(1, 2))
    return x


class ShiftedWindowAttention(nn.Module):
    def __init__(self, dim: int, window: list[int], shift: list[int], heads: int) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.heads = heads
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window[0] - 1) * (2 * window[1] - 1), heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        coords = torch.stack(torch.meshgrid(torch.arange(window[0]), torch.arange(window[1]), indexing="ij"))
        flat = torch.flatten(coords, 1)
        relative = flat[:, :, None] - flat[:, None, :]
        relative = relative.permute(1, 2, 0).contiguous()
        relative[:, :, 0] += window[0] - 1
        relative[:, :, 1] += window[1] - 1
        relative[:, :, 0] *= 2 * window[1] - 1
        self.register_buffer("relative_position_index", relative.sum(-1).flatten())

    def forward(self, x: Tensor) -> Tensor:
        n = self.window[0] * self.window[1]
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.view(n, n, -1).permute(2, 0, 1).contiguous().unsqueeze(0)
        return window_attention(x, self.qkv, self.proj, bias, self.window, self.heads, self.shift, self.training)


class SwinBlock(nn.Module):
    def __init__(self, dim: int, heads: int, window: list[int], shift: list[int], drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = ShiftedWindowAttention(dim, window, shift, heads)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, [dim * 4, dim], 0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


def patch_merging_pad(x: Tensor) -> Tensor:
    h, w, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, w % 2, 0, h % 2))
    x0, x1 = x[..., 0::2, 0::2, :], x[..., 1::2, 0::2, :]
    x2, x3 = x[..., 0::2, 1::2, :], x[..., 1::2, 1::2, :]
    return torch.cat([x0, x1, x2, x3], -1)


class PatchMerging(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduction(self.norm(patch_merging_pad(x)))


class Swin(nn.Module):
    def __init__(self, dim: int = 96, depths: tuple[int, ...] = (2, 2, 6, 2), window: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(3, dim, 4, stride=4), Permute([0, 2, 3, 1]), nn.LayerNorm(dim))
        ]
        total, done = sum(depths), 0
        for i, depth in enumerate(depths):
            stage: list[nn.Module] = []
            for j in range(depth):
                shift = [0 if j % 2 == 0 else window // 2] * 2
                drop = 0.2 * done / (total - 1)
                stage.append(SwinBlock(dim, 2 * 2**i, [window] * 2, shift, drop))
                done += 1
            layers.append(nn.Sequential(*stage))
            if i < len(depths) - 1:
                layers.append(PatchMerging(dim))
                dim *= 2
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dim)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, 10)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


class EncoderBlock(nn.Module):
    def __init__(self, heads: int, dim: int, mlp: int, dropout: float, norm: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.num_heads = heads
        self.ln_1 = norm(dim)
        self.self_attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm(dim)
        self.mlp = MLP(dim, [mlp, dim], dropout)

    def forward(self, input: Tensor) -> Tensor:
        torch._assert(input.dim() == 3, "(batch, sequence, dim) is expected")
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x)
        x = x + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    def __init__(self, length: int, layers: int, heads: int, dim: int, mlp: int, dropout: float) -> None:
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.pos_embedding = nn.Parameter(torch.empty(1, length, dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(layers):
            blocks[f"encoder_layer_{i}"] = EncoderBlock(heads, dim, mlp, dropout, norm)
        self.layers = nn.Sequential(blocks)
        self.ln = norm(dim)

    def forward(self, input: Tensor) -> Tensor:
        input = input + self.pos_embedding
        return self.ln(self.layers(self.dropout(input)))


class ViT(nn.Module):
    def __init__(
        self, image: int = 224, patch: int = 16, layers: int = 12, heads: int = 12, dim: int = 768, mlp: int = 3072
    ) -> None:
        super().__init__()
        self.image_size = image
        self.patch_size = patch
        self.hidden_dim = dim
        self.conv_proj = nn.Conv2d(3, dim, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.encoder = Encoder((image // patch) ** 2 + 1, layers, heads, dim, mlp, 0.1)
        self.heads = nn.Sequential(OrderedDict([("head", nn.Linear(dim, 10))]))
        fan_in = self.conv_proj.in_channels * self.conv_proj.kernel_size[0] * self.conv_proj.kernel_size[1]
        nn.init.trunc_normal_(self.conv_proj.weight, std=math.sqrt(1 / fan_in))
        if self.conv_proj.bias is not None:
            nn.init.zeros_(self.conv_proj.bias)
        if isinstance(self.heads.head, nn.Linear):
            nn.init.zeros_(self.heads.head.weight)
            nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        p = self.patch_size
        torch._assert(h == self.image_size, "wrong image height")
        torch._assert(w == self.image_size, "wrong image width")
        x = self.conv_proj(x)
        x = x.reshape(n, self.hidden_dim, (h // p) * (w // p))
        return x.permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self._process_input(x)
        n = x.shape[0]
        token = self.class_token.expand(n, -1, -1)
        x = self.encoder(torch.cat([token, x], dim=1))
        return self.heads(x[:, 0])
