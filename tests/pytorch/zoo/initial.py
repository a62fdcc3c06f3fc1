"""Initial values: what constructors do to tensors, and where they take them from."""

# ruff: noqa: E741
# Written as people write, which is what is tested.
from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


class L(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class NumpyInit(L):
    def __init__(self) -> None:
        super().__init__()
        self.lin.weight.data = torch.from_numpy(np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 6))


@zoo()
class BigNumpyBuffer(L):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("pe", torch.from_numpy(np.sin(np.arange(300, dtype=np.float32)).reshape(50, 6)))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + self.pe[: x.size(0)]


@zoo()
class LoopTable(L):
    def __init__(self) -> None:
        super().__init__()
        pe = torch.zeros(20, 6)
        for p in range(20):
            for i in range(0, 6, 2):
                pe[p, i] = math.sin(p / 10000 ** (i / 6))
                pe[p, i + 1] = math.cos(p / 10000 ** (i / 6))
        self.register_buffer("pe", pe)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + self.pe[: x.size(0)]


@zoo()
class SeedIn(L):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.b = nn.Linear(6, 6)
        self.c = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Any:
        return self.b(self.lin(x)) * self.c


@zoo()
class GenInit(L):
    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(3)
        nn.init.normal_(self.lin.weight, generator=g)


@zoo()
class GenParam(L):
    def __init__(self) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(3)
        self.w = nn.Parameter(torch.randn(6, generator=g))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.w


@zoo()
class ForkInit(L):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.b = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.b(self.lin(x))


@zoo()
class FromParam(L):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(self.lin.weight.detach().t().clone())
        self.v = nn.Parameter(self.lin.weight.mean(0))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) @ self.w * self.v


@zoo()
class ViewParam(L):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(self.lin.weight.data[0])

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.w


@zoo()
class SkipInit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.utils.skip_init(nn.Linear, 6, 6)
        nn.init.ones_(self.l.weight)
        nn.init.zeros_(self.l.bias)

    def forward(self, x: Tensor) -> Any:
        return self.l(x)


@zoo(X.double(), others=((Y.double(),),))
def ToDouble() -> Any:
    return L2().to(torch.float64)


class L2(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo(torch.randn(2, 3, 4, 4), others=((torch.randn(1, 3, 5, 5),),))
def ChannelsLast() -> Any:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(memory_format=torch.channels_last)


@zoo()
class DefaultD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        old = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        self.l = nn.Linear(6, 6)
        torch.set_default_dtype(old)

    def forward(self, x: Tensor) -> Any:
        return self.l(x.double())


@zoo()
class Orth(L):
    def __init__(self) -> None:
        super().__init__()
        nn.init.orthogonal_(self.lin.weight, gain=2.0)
        nn.init.sparse_(self.lin.weight, 0.5) if False else None
        nn.init.uniform_(self.lin.bias[:3]) if False else None
        with torch.no_grad():
            self.lin.weight[0] *= 2
            self.lin.weight[:, 1].fill_(0.3)
            self.lin.bias.copy_(torch.arange(6) / 6)


@zoo(torch.tensor([[1, 2], [3, 4]]), others=((torch.tensor([[0]]),),))
class Pretrained(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Embedding.from_pretrained(torch.rand(10, 4))
        self.f = nn.Embedding.from_pretrained(torch.rand(30, 4), freeze=False)

    def forward(self, x: Tensor) -> Any:
        return self.e(x) + self.f(x)


@zoo()
class Scale(L):
    def __init__(self) -> None:
        super().__init__()
        for i, p in enumerate(self.parameters()):
            p.data.mul_(0.1 * (i + 1))
            p.data.add_(0.01)
        self.apply(lambda m: setattr(m, "tag", 3))


@zoo()
class Groups(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ls = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        for i, l in enumerate(self.ls):
            nn.init.constant_(l.weight, 0.1 * i)
            l.scale = i
        self.ls[1].weight = self.ls[0].weight
        self.order = [2, 0, 1]

    def forward(self, x: Tensor) -> Any:
        for i in self.order:
            x = self.ls[i](x) * self.ls[i].scale + 1
        return x


@zoo()
class Replace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
        for n, m in list(self.b.named_children()):
            if isinstance(m, nn.ReLU):
                setattr(self.b, n, nn.GELU())
        self.b[2] = nn.Linear(6, 4)
        del self.b[0]
        self.b.append(nn.Tanh())

    def forward(self, x: Tensor) -> Any:
        return self.b(x)


@zoo()
def FactoryEdits() -> Any:
    m = Replace()
    m.extra = nn.Linear(4, 2)
    m.b.add_module("more", nn.Linear(4, 4))
    for p in m.b.parameters():
        p.requires_grad_(False)
    m.b.eval()
    return m


@zoo()
class NoneChild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = None
        self.b = nn.Linear(6, 6)
        self.register_module("c", None)
        self.drop = nn.Identity() if True else nn.Dropout()

    def forward(self, x: Tensor) -> Any:
        return self.b(x) if self.a is None and self.c is None else self.a(x)


@zoo()
class KaimingA(L):
    def __init__(self) -> None:
        super().__init__()
        nn.init.kaiming_uniform_(self.lin.weight, a=math.sqrt(5))
        fan, _ = nn.init._calculate_fan_in_and_fan_out(self.lin.weight)
        b = 1 / math.sqrt(fan)
        nn.init.uniform_(self.lin.bias, -b, b)


@zoo()
class RandomPy(L):
    def __init__(self) -> None:
        super().__init__()
        self.k = random.Random(3).randint(1, 5)
        self.s = float(np.random.RandomState(1).rand())

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.k * self.s


@zoo()
class BigLiteral(L):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("t", torch.tensor([float(i % 7) for i in range(100)]).view(-1)[:96].view(16, 6))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + self.t[: x.size(0)]


@zoo()
class Cum(L):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("betas", torch.linspace(0.0001, 0.02, 200))
        a = torch.cumprod(1 - self.betas, 0)
        self.register_buffer("ab", a)
        self.register_buffer("s", torch.sqrt(1 - a), persistent=False)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.s[3] + self.ab[10] + self.betas[-1]


@zoo()
class FromDropped(L):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(nn.Linear(6, 6).weight.detach().clone())
        self.v = nn.Linear(6, 6).bias

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) @ self.w + self.v


@zoo()
class FromDropped2(L):
    def __init__(self) -> None:
        super().__init__()
        t = nn.Linear(6, 6)
        self.v = t.bias

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + self.v


class Holds(nn.Module):
    def __init__(self, w: Any) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: Tensor) -> Any:
        return x * self.w


@zoo()
class ViewAcross(L):
    def __init__(self) -> None:
        super().__init__()
        self.h = Holds(self.lin.weight.data[0])
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.h(self.lin(self.l(x)))


@zoo()
class BufferAlias(L):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("a", torch.zeros(6))
        self.register_buffer("b", self.a[:3])
        self.c = self.a

    def forward(self, x: Tensor) -> Any:
        self.a.add_(1)
        return self.lin(x) + self.b.sum() + self.c
