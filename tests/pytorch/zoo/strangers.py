"""What a stranger's model does: idioms met in the wild, and traps."""

# ruff: noqa: B009, C416, C417, RUF046, RUF059, UP018
# Written as people write, which is what is tested.
from __future__ import annotations

import collections
import contextlib
import enum
import functools
import itertools
import math
import operator
import warnings
from typing import Any

import numpy as np
import torch
import torch.nn as tnn
import torch.nn.functional as F
from torch import Tensor, einsum, nn

from tests.pytorch.zoo.case import X, Zoo

zoo = Zoo()
SEQUENCE = torch.linspace(-1, 1, 24).reshape(2, 3, 4)
IMAGE = torch.linspace(-1, 1, 96).reshape(1, 3, 8, 4)


class Kind(enum.Enum):
    RELU = "relu"
    TANH = "tanh"


@zoo(X)
class EnumSwitch(nn.Module):
    def __init__(self, kind: Kind = Kind.TANH) -> None:
        super().__init__()
        self.kind = kind
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        match self.kind:
            case Kind.RELU:
                return y.relu()
            case Kind.TANH:
                return y.tanh()
        raise ValueError(self.kind)


@zoo(X)
class ByName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for i in range(3):
            setattr(self, f"layer{i}", nn.Linear(6, 6))
        self.act = getattr(F, "silu")

    def forward(self, x: Tensor) -> Tensor:
        for i in range(3):
            x = self.act(getattr(self, f"layer{i}")(x))
        return x


@zoo(X)
class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6 * (i + 1), 6) for i in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, dim=-1)))
        return torch.cat(features, -1)


@zoo(IMAGE)
class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 3, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Hardsigmoid()

    def _scale(self, x: Tensor) -> Tensor:
        return self.gate(self.fc2(F.relu(self.fc1(self.pool(x)), inplace=True)))

    def forward(self, x: Tensor) -> Tensor:
        return self._scale(x) * x


@zoo(IMAGE)
class ChannelShuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        b, c, h, w = x.size()
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)
        x1, x2 = x.chunk(2, dim=1)
        return torch.cat((x1, x2 * 2), dim=1)


@zoo(IMAGE)
class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Conv2d(c, 4, 3, stride=2, padding=1) for c in (3, 4)])
        self.lateral = nn.ModuleDict({f"p{i}": nn.Conv2d(4, 4, 1) for i in range(2)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = collections.OrderedDict()
        for i, stage in enumerate(self.stages):
            x = stage(x)
            features[f"p{i}"] = x
        top = features["p1"]
        up = F.interpolate(self.lateral["p1"](top), size=features["p0"].shape[-2:], mode="nearest")
        return {"p0": self.lateral["p0"](features["p0"]) + up, "p1": top}


@zoo(SEQUENCE, opaque=("the",))
class HandmadeAttention(nn.Module):
    def __init__(self, dim: int = 4, heads: int = 2) -> None:
        super().__init__()
        assert dim % heads == 0
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.q, self.kv = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim * 2, bias=False)
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.Dropout(0.1))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        h = self.heads
        context = x if context is None else context
        q, k, v = (self.q(x), *self.kv(context).chunk(2, dim=-1))
        q, k, v = map(lambda t: t.reshape(t.shape[0], t.shape[1], h, -1).transpose(1, 2), (q, k, v))
        sim = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
        out = einsum("b h i j, b h j d -> b h i d", sim.softmax(dim=-1), v)
        return self.out(out.transpose(1, 2).flatten(2))


class RMS(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = 1e-6

    def _norm(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        return self._norm(x.float()).type_as(x) * self.weight


@zoo(SEQUENCE)
class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = RMS(4)
        self.w1, self.w2, self.w3 = (
            nn.Linear(4, 8, bias=False),
            nn.Linear(8, 4, bias=False),
            nn.Linear(4, 8, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        return x + self.w2(F.silu(self.w1(h)) * self.w3(h))


@zoo(SEQUENCE)
class Rotary(nn.Module):
    def __init__(self, dim: int = 4) -> None:
        super().__init__()
        inverse = 1.0 / (10000 ** (torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        t = torch.arange(x.shape[1], device=x.device).type_as(self.inverse)
        angles = torch.outer(t, self.inverse)
        angles = torch.cat((angles, angles), dim=-1)
        x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return x * angles.cos() + torch.cat((-x2, x1), dim=-1) * angles.sin()


@zoo(X)
class Mixture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(6, 3) for _ in range(3)])
        self.gate = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.gate(x).softmax(-1)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=1)
        top, index = weights.topk(2, dim=-1)
        picked = outputs.gather(1, index.unsqueeze(-1).expand(-1, -1, 3))
        return (picked * top[..., None]).sum(1) + (weights.unsqueeze(1) @ outputs).squeeze(1)


@zoo(X)
class Property(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    @property
    def weight(self) -> Tensor:
        return self.linear.weight * 0.5

    @functools.cached_property
    def width(self) -> int:
        return self.linear.in_features

    @staticmethod
    def twice(x: Tensor) -> Tensor:
        return x * 2

    @classmethod
    def thrice(cls, x: Tensor) -> Tensor:
        return x * 3

    def forward(self, x: Tensor) -> Tensor:
        return self.twice(F.linear(x, self.weight)) + self.thrice(x) * self.width


@zoo(X, opaque=None)
class CallsItself(nn.Module):
    def __init__(self, depth: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.inner = CallsItself(depth - 1) if depth else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return y if self.inner is None else self.inner(y) + y


@zoo(X)
class CallsForwardDirectly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = RMS(6)
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear.forward(self.inner.forward(x))


@zoo(X)
class Comprehensions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.ModuleList([nn.Linear(6, 2) for _ in range(3)])

    def forward(self, x: Tensor) -> Any:
        outs = tuple(layer(x) for layer in self.a)
        total = functools.reduce(operator.add, outs)
        pairs = [a * b for a, b in itertools.combinations(outs, 2)]
        best = functools.reduce(torch.maximum, outs)
        return total, torch.stack(pairs).sum(0), sum(outs), best, max(1, 2), math.prod(x.shape)


@zoo(X, opaque=None)
class WalrusAndStar(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        first, *rest = x.split(2, dim=1)
        if (y := self.a(x)) is not None:
            x = y
        return [first, *rest, x]


@zoo(X)
class Splits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        a, b, c = self.a(x).split([1, 2, 3], dim=-1)
        mean, var = torch.var_mean(x, dim=1)
        values, indices = x.max(dim=1)
        u, s, v = torch.linalg.svd(x)
        return a, b + 1, c, mean, var, values, indices, s


@zoo(X)
class ReturnsTorchTuples(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return torch.max(x, dim=1), x.sort(dim=1), torch.topk(x, 2)


@zoo(X, opaque=("inner",))
class WarnsAndPrints(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Prints()

    def forward(self, x: Tensor) -> Tensor:
        if False:
            warnings.warn("never", stacklevel=1)
        return self.inner(x)


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print(end="")
        return x + 1


class Times(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, *, times: int | None = None) -> Tensor:
        for _ in range(times or self.n):
            x = self.linear(x)
        return x


@zoo(X)
class PassesNumbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Times(2), Times(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(self.b(self.a(x, times=3)))


@zoo(X)
class SameClassOtherConfig(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Times(1), Times(2), Times(1), nn.Sequential(), nn.Identity())

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


@zoo(X)
class Aliases(nn.Module):
    """Names that collide with imports, builtins and each other in the generated source."""

    def __init__(self) -> None:
        super().__init__()
        self.F = tnn.Linear(6, 6)
        self.nn = tnn.Linear(6, 6)
        self.torch = tnn.Linear(6, 6)
        self.Model = tnn.Linear(6, 6)
        self.self = tnn.Linear(6, 6)
        self.forward_ = tnn.Linear(6, 6)
        self.x = tnn.Linear(6, 6)
        self.copy = tnn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        sum = F.relu(self.F(x))
        torch_ = self.torch(self.nn(sum))
        list = self.self(self.Model(torch_))
        input = self.forward_(self.x(list))
        return input.sum(1) + input.max() + torch.relu(list).mean() + self.copy.sum()


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) + 1


@zoo(X)
class ClassNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Model()
        self.linear = Linear(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.inner(x))


class Linear(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n, n))

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight)


@zoo(X)
def LocalClass() -> nn.Module:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x).relu()

    return Inside()


@zoo(X)
class DefaultsBoundLate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ops = [lambda t, i=i: t * i for i in range(1, 4)]
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        for op in self.ops:
            x = op(self.linear(x))
        return x


@zoo(X)
class Closures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        scale = x.abs().amax()

        def rescaled(t: Tensor) -> Tensor:
            return t / scale

        return rescaled(self.linear(x))


@zoo(X, opaque=None)
class ContextManagers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        with contextlib.nullcontext():
            y = self.linear(x)
        with torch.profiler.record_function("block"):
            return y + 1


@zoo(X)
class Stop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return y.detach() + x * y.data + y


@zoo(X.clone().requires_grad_(), opaque=("inner",))
class EnableGrad(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = WithGrad()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * 2


class WithGrad(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(False):
            return (x * 3).sum()


@zoo(X)
class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        f = torch.fft.rfft(self.linear(x), dim=-1, norm="ortho")
        return torch.fft.irfft(f * 1j, n=6), f.real, f.abs() ** 2


@zoo(X, opaque=None)
class NumpyConstants(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = np.float32(0.5)
        self.sizes = np.array([2, 4])
        self.linear = nn.Linear(6, int(np.prod([2, 3])))
        self.heads = np.int64(2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x) * float(self.scale) * np.sqrt(2.0)
        return y.split(self.sizes.tolist(), dim=1)[0].repeat(1, int(self.heads))


@zoo(SEQUENCE, opaque=None)
class PackedSequences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, 2]), batch_first=True)
        out, _ = self.rnn(packed)
        return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]


@zoo(torch.tensor([[1, 2, 0], [3, 0, 0]]))
class TextClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4, padding_idx=0)
        self.convs = nn.ModuleList([nn.Conv1d(4, 2, k, padding=k // 2) for k in (1, 3)])
        self.head = nn.Linear(4, 2)
        nn.init.uniform_(self.embedding.weight, -0.05, 0.05)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).permute(0, 2, 1)
        pooled = [F.max_pool1d(F.relu(conv(x)), int(3)).squeeze(2) for conv in self.convs]
        mask = (tokens != 0).float().sum(1, keepdim=True)
        return self.head(torch.cat(pooled, 1)) * mask / mask.clamp(min=1)


@zoo(X)
class SumOfLosses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.criterion = nn.MSELoss(reduction="none")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.linear(x)
        loss = self.criterion(y, x)
        return {"loss": loss.mean(), "aux": F.cross_entropy(y, torch.zeros(2, dtype=torch.long)), "y": y}


@zoo(X, opaque=None)
class GumbelAndNoise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gumbel_softmax(self.linear(x), tau=0.5, hard=False)
        eps = torch.randn_like(y)
        return y + eps * torch.exp(0.5 * y) + torch.bernoulli(torch.full_like(y, 0.5)) + torch.empty(6).uniform_(0, 1)


@zoo(X)
class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = [1, 2, 3]
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        reverse = sorted(self.table, reverse=True)
        names = {k: v for k, v in zip("abc", reverse, strict=True)}
        return self.linear(x) * names["a"] + len(reverse)


@zoo(IMAGE)
class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Conv2d(8, 4, 3, padding=1)])
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, down in enumerate(self.down):
            x = down(x)
            if i + 1 < len(self.down):
                skips.append(x)
                x = self.pool(x)
        x = self.up[0](x)
        x = torch.cat([skips.pop(), x], dim=1)
        return self.up[1](x)


@zoo(X)
class MultiOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({"cls": nn.Linear(6, 2), "box": nn.Linear(6, 4)})

    def forward(self, x: Tensor) -> dict[str, Any]:
        out: dict[str, Any] = {}
        out.update({k: h(x) for k, h in self.heads.items()})
        out["meta"] = {"n": x.shape[0], "ok": True}
        out["box"] = out["box"].sigmoid()
        return out


@zoo(X, opaque=("the",))
class ChangesInputDict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = Fills()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        cache: dict[str, Tensor] = {}
        y = self.a(x, cache)
        return self.linear(y) + cache["seen"]


class Fills(nn.Module):
    def forward(self, x: Tensor, cache: dict[str, Tensor]) -> Tensor:
        cache["seen"] = x * 2
        return x + 1


class ToQKV(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(4, 12, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(x).chunk(3, dim=-1)
        q, k, v = map(lambda t: t.unflatten(-1, (2, 2)).transpose(1, 2), qkv)
        first, *rest = torch.split(x, [1, 3], dim=-1)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2) + first * rest[0].sum()


@zoo(SEQUENCE)
class MapsOverChunks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = ToQKV(), ToQKV()

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


@zoo(X)
class SkipsAndReuses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        x = self.relu(self.a(x)) * 1
        y = x
        x = self.b(x).mul_(2)
        x += identity
        return self.relu(x) + y


@zoo(X)
class NestedFunctionsOfTensors(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        y = torch.where(y > 0, y, torch.zeros_like(y))
        y = torch.where(torch.isnan(y), torch.full_like(y, 1.0), y)
        y = 1 - y
        y = 2**y
        y = -y % 3
        y = ~(y > 1) | (y < 0) & (y != 2)
        return y.to(x.dtype) - (x - (x - 1)) / (x / (x + 3)) ** 2


@zoo(X)
class LossOfPrecedence(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        a = x - (x - (x - 1))
        b = (x * 2) ** 2
        c = -(x**2)
        d = (-x) ** 2
        e = 2 ** (x**2)
        f = (x + 1)[0] + (x @ x.t() + 1).sum()
        return a + b + c + d + e + f + (x + 1).sum() + (-1) ** 2 + (x > 0).float() * (-1.5)


@zoo(IMAGE, opaque=None)
class BatchNormTricks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3, track_running_stats=False)
        self.frozen = nn.BatchNorm2d(3)
        self.frozen.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x) + self.frozen(x)


@zoo(X, opaque=None)
class OverridesTrain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(6)
        self.linear = nn.Linear(6, 6)

    def train(self, mode: bool = True) -> OverridesTrain:
        super().train(mode)
        self.bn.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.linear(x))


@zoo(X, opaque=None)
class StateDictTricks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.steps = 3

    def get_extra_state(self) -> int:
        return self.steps

    def set_extra_state(self, state: int) -> None:
        self.steps = state

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


@zoo(X, opaque=None)
class CallOverridden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Called()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Called(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x) * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


@zoo(X, opaque=None)
class GetAttr(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Forwarding(nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + self.inner.in_features


class Forwarding(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x)


@zoo(X, opaque=None)
class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_scripting() or torch.jit.is_tracing() or torch.compiler.is_compiling():
            return x
        return self.linear(x)


@zoo(X, opaque=None)
class UsesCuda(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        if torch.cuda.is_available() and x.is_cuda:
            return self.linear(x.cuda())
        return self.linear(x)


@zoo(X)
class StringsAndFormat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mode = "bi" + "linear"
        self.quote = 'it\'s "quoted"\n'
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.linear(x), self.quote, f"{self.mode}"


@zoo(X)
class BigNumbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inf = float("inf")
        self.tiny = 1e-45
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x).masked_fill(x > 0.5, -self.inf).clamp(min=torch.finfo(x.dtype).min if False else -1e30)
        return y + self.tiny + 10**20 * 0.0


@zoo(X, opaque=None)
class FInfo(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(x > 0, torch.finfo(x.dtype).max)


@zoo(X, opaque=None)
class WritesToInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 0], x[:, 1] = x[:, 1].clone(), x[:, 0].clone()
        view = x[:, 2:4]
        view.zero_()
        view += 1
        row = x[0]
        row[0] = 5
        return self.linear(x)


@zoo(X, opaque=None)
class OrderOfEffects(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(6))
        self.p = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Any:
        before = self.total * 2
        old = self.total.clone()
        self.total.add_(x.detach().sum(0))
        after = self.total * 2
        y = x.clone()
        a = y[0] * 1
        y.mul_(3)
        b = y[0] * 1
        return before + after, old, a, b, x - y * self.p


@zoo(X, opaque=None)
class DropoutTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.alpha = nn.AlphaDropout(0.2)

    def forward(self, x: Tensor) -> Tensor:
        late = self.drop(x)
        early = F.dropout(x, 0.3, training=self.training)
        return self.alpha(early) - late + F.dropout(x, 0.1) + F.dropout2d(x[None, :, :, None], 0.5, self.training).sum()


class AsksForAttributes(nn.Module):
    def forward(self, x: Any) -> Tensor:
        return x.tensors if hasattr(x, "tensors") else x * 2


class ByText(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * (2 if "float16" in str(x.dtype) else 3)


class ByFormat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * len(f"{x.shape}")


class ThroughNumpyMeans(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(np.mean(x.detach().numpy())) + x * np.float64(2.0)


class ByParameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        size = sum(p.detach().norm().item() for p in self.parameters())
        return self.linear(x) * size + x * float(self._parameters.get("none") is None)


class Meter:
    def __init__(self) -> None:
        self.n = 0

    def step(self) -> int:
        self.n += 1
        return self.n


class Metered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.meter.step()


@zoo(X, opaque=("a", "b", "c", "e", "f"))
class Traps(nn.Module):
    """Each of them but `d` would be followed wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = AsksForAttributes(), ByText(), ByFormat()
        self.d, self.e, self.f = ThroughNumpyMeans(), ByParameters(), Metered()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return self.f(self.e(self.d(self.c(self.b(self.a(x))))))
