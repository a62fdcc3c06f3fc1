"""Models as people write them today, small: language, vision, sequences, mixtures, codes."""

# ruff: noqa: B905, C417, E741, RUF012, RUF059
# Written as people write, which is what is tested.
from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.zoo.case import Zoo

IMG = torch.randn(2, 3, 8, 8)

IMG2 = torch.randn(3, 3, 10, 10)

SEQ = torch.randn(2, 5, 8)

SEQ2 = torch.randn(1, 7, 8)
zoo = Zoo()


@zoo(SEQ, others=((SEQ2,),))
class Rotary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        inv = 1.0 / 10000 ** (torch.arange(0, 4, 2).float() / 4)
        self.register_buffer("inv", inv, persistent=False)
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Any:
        t = torch.arange(x.shape[1], device=x.device, dtype=self.inv.dtype)
        f = torch.outer(t, self.inv)
        e = torch.cat((f, f), -1).repeat(1, 2)
        y = self.l(x)
        y1, y2 = y.chunk(2, -1)
        return y * e.cos() + torch.cat((-y2, y1), -1) * e.sin()


@zoo(SEQ, others=((SEQ2,),))
class KVCache(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.cache = None

    def forward(self, x: Tensor) -> Any:
        y = self.l(x)
        if self.cache is None or self.cache.shape[0] != x.shape[0]:
            self.cache = y.detach()
        else:
            self.cache = torch.cat([self.cache, y.detach()], 1)[:, -5:]
        return y.mean() + self.cache.mean()


@zoo(SEQ, others=((SEQ2,),))
class MoE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 3)
        self.ex = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> Any:
        w, idx = self.gate(x).softmax(-1).topk(2, -1)
        out = torch.zeros_like(x)
        for i, e in enumerate(self.ex):
            m = (idx == i).float() * w
            out = out + e(x) * m.sum(-1, keepdim=True)
        return out


@zoo(SEQ, others=((SEQ2,),))
class MoESparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(8, 3)
        self.ex = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> Any:
        flat = x.reshape(-1, 8)
        idx = self.gate(flat).argmax(-1)
        out = torch.zeros_like(flat)
        for i, e in enumerate(self.ex):
            rows = torch.where(idx == i)[0]
            out[rows] = e(flat[rows])
        return out.view_as(x)


@zoo(IMG, others=((IMG2,),))
class Getter(nn.ModuleDict):
    def __init__(self) -> None:
        super().__init__({"a": nn.Conv2d(3, 4, 3), "b": nn.ReLU(), "c": nn.Conv2d(4, 4, 3)})
        self.keep = {"b": "x", "c": "y"}

    def forward(self, x: Tensor) -> Any:
        out = collections.OrderedDict()
        for n, m in self.items():
            x = m(x)
            if n in self.keep:
                out[self.keep[n]] = x
        return out


@zoo(IMG, others=((IMG2,),))
class UseGetter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.g = Getter()
        self.h = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Any:
        f = self.g(x)
        return (self.h(f["y"]), f["x"].mean())


@zoo(IMG, others=((IMG2,),))
class FPN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.ModuleList([nn.Conv2d(3, 4, 3, stride=2**i, padding=1) for i in range(3)])
        self.l = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(3)])

    def forward(self, x: Tensor) -> Any:
        fs = [c(x) for c in self.c]
        last = self.l[-1](fs[-1])
        outs = [last]
        for i in range(len(fs) - 2, -1, -1):
            last = self.l[i](fs[i]) + F.interpolate(last, size=fs[i].shape[-2:], mode="nearest")
            outs.insert(0, last)
        return outs


@zoo(IMG, others=((IMG2,),))
class Window(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = 4
        self.l = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Any:
        B, C, H, W = x.shape
        ph = (self.w - H % self.w) % self.w
        pw = (self.w - W % self.w) % self.w
        x = F.pad(x, (0, pw, 0, ph))
        H2, W2 = (H + ph, W + pw)
        x = (
            x.view(B, C, H2 // self.w, self.w, W2 // self.w, self.w)
            .permute(0, 2, 4, 3, 5, 1)
            .reshape(-1, self.w * self.w, C)
        )
        x = self.l(x)
        x = x.view(B, H2 // self.w, W2 // self.w, self.w, self.w, C).permute(0, 5, 1, 3, 2, 4).reshape(B, C, H2, W2)
        return x[:, :, :H, :W].contiguous()


@zoo(IMG, others=((IMG2,),))
class PadSame(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Any:
        ih, iw = x.size()[-2:]
        ph = max((math.ceil(ih / 2) - 1) * 2 + 3 - ih, 0)
        return self.c(F.pad(x, [0, 1, 0, 1])) if ph > 0 else self.c(x)


@zoo(SEQ, others=((SEQ2,),))
class Enc(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.1), 2, enable_nested_tensor=False
        )
        self.cls = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos = nn.Parameter(torch.randn(1, 16, 8))

    def forward(self, x: Tensor) -> Any:
        b = x.shape[0]
        x = torch.cat([self.cls.expand(b, -1, -1), x], 1) + self.pos[:, : x.size(1) + 1]
        return self.e(x)[:, 0]


@zoo(SEQ, others=((SEQ2,),))
class MaskedAttn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bias", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))
        self.c = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Any:
        B, T, C = x.size()
        q, k, v = self.c(x).split(8, dim=2)
        q = q.view(B, T, 2, 4).transpose(1, 2)
        k = k.view(B, T, 2, 4).transpose(1, 2)
        v = v.view(B, T, 2, 4).transpose(1, 2)
        att = q @ k.transpose(-2, -1) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf")).softmax(-1)
        return (att @ v).transpose(1, 2).contiguous().view(B, T, C)


@zoo(torch.tensor([[1, 2, 3], [3, 2, 1]]), others=((torch.tensor([[4, 4]]),),))
class GPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Embedding(9, 8)
        self.p = nn.Embedding(9, 8)
        self.h = nn.Linear(8, 9, bias=False)
        self.w.weight = self.h.weight
        self.b = nn.ModuleList([MaskedAttn() for _ in range(2)])
        self.apply(self._i)
        for n, p in self.named_parameters():
            if n.endswith("c.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(4))

    def _i(self, m: Any) -> Any:
        if isinstance(m, (nn.Linear, nn.Embedding)):
            nn.init.normal_(m.weight, std=0.02)

    def forward(self, idx: Any, targets: Any = None) -> Any:
        b, t = idx.size()
        x = self.w(idx) + self.p(torch.arange(0, t, dtype=torch.long, device=idx.device))
        for m in self.b:
            x = x + m(x)
        if targets is not None:
            return (self.h(x), F.cross_entropy(self.h(x).view(-1, 9), targets.view(-1)))
        return (self.h(x[:, [-1], :]), None)


@zoo(SEQ, others=((SEQ2,),))
class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.LSTM(8, 4, 2, batch_first=True, bidirectional=True, dropout=0.1)
        self.g = nn.GRUCell(8, 3)
        self.h = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        h0 = x.new_zeros(4, x.size(0), 4)
        o, (h, c) = self.l(x, (h0, h0.clone()))
        g = torch.zeros(x.size(0), 3)
        for t in range(2):
            g = self.g(x[:, t], g)
        return (self.h(o[:, -1]), h, c, g)


@zoo(SEQ)
class HookedFeatures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.f = {}
        self.l.register_forward_hook(lambda m, i, o: self.f.__setitem__("o", o))

    def forward(self, x: Tensor) -> Any:
        self.l(x)
        return self.f["o"] * 2


@zoo(SEQ)
class EMA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.t = copy.deepcopy(self.l)
        for p in self.t.parameters():
            p.requires_grad = False

    def forward(self, x: Tensor) -> Any:
        with torch.no_grad():
            for a, b in zip(self.t.parameters(), self.l.parameters()):
                a.mul_(0.9).add_(b, alpha=0.1)
            y = self.t(x)
        return self.l(x) - y


@zoo(SEQ)
class BufReassign(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("m", torch.zeros(8))

    def forward(self, x: Tensor) -> Any:
        if self.training:
            self.m = 0.9 * self.m + 0.1 * x.detach().mean((0, 1))
        return x - self.m


@zoo(SEQ)
class VQ(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding(5, 8)

    def forward(self, z: Any) -> Any:
        d = z.pow(2).sum(-1, keepdim=True) - 2 * z @ self.e.weight.t() + self.e.weight.pow(2).sum(-1)
        i = d.argmin(-1)
        q = self.e(i)
        loss = F.mse_loss(q.detach(), z) + 0.25 * F.mse_loss(q, z.detach())
        return (z + (q - z).detach(), loss, i)


@zoo(SEQ)
class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Linear(8, 2)
        self.s = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        mu, lv = (self.m(x), self.s(x))
        std = torch.exp(0.5 * lv)
        eps = torch.randn_like(std)
        return (mu + eps * std, -0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp()))


@zoo(SEQ)
class Gumbel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        return F.gumbel_softmax(self.m(x), tau=0.5, hard=True)


@zoo(SEQ)
class Multinomial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        return (torch.multinomial(self.m(x[:, 0]).softmax(-1), 1), torch.bernoulli(x.sigmoid()))


@zoo(SEQ)
class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(8))
        self.eps = 1e-06

    def forward(self, x: Tensor) -> Any:
        dt = x.dtype
        x = x.float()
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return (self.g * x).to(dt)


@zoo(IMG, others=((IMG2,),))
class SE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 2, 1), nn.SiLU(inplace=True), nn.Conv2d(2, 3, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Any:
        return x * self.f(x)


@zoo(IMG, others=((IMG2,),))
class InplaceRes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.r = nn.ReLU(inplace=True)
        self.c = nn.Conv2d(3, 3, 3, padding=1)
        self.b = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Any:
        i = x.clone()
        o = self.b(self.c(x))
        o += i
        return self.r(o)


@zoo(IMG, others=((IMG2,),))
class CoordConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Conv2d(5, 3, 1)

    def forward(self, x: Tensor) -> Any:
        b, _, h, w = x.shape
        ys = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(b, 1, h, w)
        xs = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(b, 1, h, w)
        return self.c(torch.cat([x, ys, xs], 1))


@zoo(IMG, others=((IMG2,),))
class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(3, 6)
        nn.init.zeros_(self.l.weight)
        self.l.bias.data.copy_(torch.tensor([1, 0, 0, 0, 1, 0], dtype=torch.float))

    def forward(self, x: Tensor) -> Any:
        t = self.l(x.mean((2, 3))).view(-1, 2, 3)
        g = F.affine_grid(t, x.size(), align_corners=False)
        return F.grid_sample(x, g, align_corners=False)


@zoo(SEQ)
class Config(nn.Module):
    @dataclasses.dataclass
    class C:
        width: int = 8
        act: str = "gelu"
        layers: tuple = (8, 4)

    def __init__(self) -> None:
        super().__init__()
        self.cfg = Config.C()
        self.ls = nn.ModuleList((nn.Linear(a, b) for a, b in zip(self.cfg.layers, self.cfg.layers[1:])))
        self.act = getattr(F, self.cfg.act)

    def forward(self, x: Tensor) -> Any:
        for l in self.ls:
            x = self.act(l(x))
        return x.view(x.shape[0], -1, self.cfg.layers[-1])


@zoo(SEQ)
class Registry(nn.Module):
    ACTS = {"relu": F.relu, "gelu": F.gelu}

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.name = "gelu"

    def forward(self, x: Tensor) -> Any:
        return self.ACTS[self.name](self.l(x))


@zoo(SEQ)
class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.ParameterList([nn.Parameter(torch.randn(8)) for _ in range(3)])
        self.a = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Any:
        s = self.a.softmax(0)
        return (sum((s[i] * w * x for i, w in enumerate(self.w))), x @ torch.stack(list(self.w)).t(), len(self.w))


@zoo(SEQ)
class Hyper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h = nn.Linear(8, 8 * 4 + 4)

    def forward(self, x: Tensor) -> Any:
        p = self.h(x.mean((0, 1)))
        w, b = (p[:32].view(4, 8), p[32:])
        return F.linear(x, w, b)


@zoo(SEQ, torch.tensor([5, 3]), others=((SEQ, torch.tensor([2, 4])),))
class Lengths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    def forward(self, x: Tensor, n: Any) -> Any:
        m = torch.arange(x.size(1), device=x.device)[None] < n[:, None]
        y = self.l(x) * m[..., None]
        return y.sum(1) / n[:, None]


@zoo(SEQ, others=((SEQ2,),))
class Siren(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.om = 30.0
        with torch.no_grad():
            self.l.weight.uniform_(-1 / 8, 1 / 8)

    def forward(self, x: Tensor) -> Any:
        return torch.sin(self.om * self.l(x))


@zoo(SEQ, others=((SEQ2,),))
class SpecIn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.utils.parametrizations.orthogonal(nn.Linear(8, 8))
        self.o = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Any:
        return self.o(self.l(x))


@zoo(SEQ, others=((SEQ2,),))
class StaticM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)

    @staticmethod
    def norm(x: Tensor) -> Any:
        return x / (x.norm(dim=-1, keepdim=True) + 1e-06)

    @classmethod
    def scale(cls: Any, x: Tensor) -> Any:
        return x * 2

    @property
    def gain(self) -> Any:
        return self.l.in_features / 4

    def forward(self, x: Tensor) -> Any:
        return self.scale(self.norm(self.l(x))) * self.gain


@zoo(SEQ, others=((SEQ2,),))
class Reduce(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ls = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x: Tensor) -> Any:
        return functools.reduce(lambda a, l: torch.relu(l(a)), self.ls, x) + sum(map(lambda l: l(x), self.ls))


@zoo(SEQ, others=((SEQ2,),))
class ZipDict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.d = nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Linear(8, 8)})

    def forward(self, x: Tensor) -> Any:
        return {k: (v(x), {"n": k}) for k, v in self.d.items()}


@zoo(SEQ, others=((SEQ2,),))
class WhileC(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(8, 8)
        self.n = 3

    def forward(self, x: Tensor) -> Any:
        n = self.n
        while n > 0:
            x = self.l(x)
            n -= 1
        return x
