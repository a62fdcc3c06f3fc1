"""Forwards that ask whether they train: which can be followed both ways at once, and which cannot."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


class NT(NamedTuple):
    a: Tensor
    b: Any


@zoo(torch.randn(2, 5, 8), others=((torch.randn(3, 5, 8),),))
class Attn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.p = 0.1
        self.o = nn.Linear(8, 8)
        self.h = 2

    def forward(self, x: Tensor) -> Any:
        b, n, c = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.h, c // self.h).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0, is_causal=True)
        return self.o(y.transpose(1, 2).reshape(b, n, c))


@zoo(torch.randn(2, 5, 8), others=((torch.randn(3, 5, 8),),))
class AttnBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.ModuleList([Attn() for _ in range(2)])
        self.n = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Any:
        for a in self.a:
            x = x + a(self.n(x))
        return x


@zoo()
class Drop1(Base):
    def forward(self, x: Tensor) -> Any:
        return F.dropout(self.lin(x), 0.5 if self.training else 0.0)


@zoo()
class DropBN(Base):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Any:
        mom = 0.3 if self.training else 0.0
        return F.batch_norm(
            self.lin(x), self.bn.running_mean, self.bn.running_var, self.bn.weight, self.bn.bias, self.training, mom
        )


@zoo()
class Ret(Base):
    def forward(self, x: Tensor) -> Any:
        return (self.lin(x), 1.0 if self.training else 0.0)


@zoo()
class RetNT(Base):
    def forward(self, x: Tensor) -> Any:
        return NT(self.lin(x), 1.0 if self.training else 0.0)


@zoo()
class Steps(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        if self.training:
            y = y + 1
        return y


@zoo()
class Aux(Base):
    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        if self.training:
            return (y, self.aux(y))
        return y


@zoo()
class ScaleT(Base):
    def forward(self, x: Tensor) -> Any:
        s = 2 if self.training else 3
        return self.lin(x) * s + x[:, :s].sum()


@zoo()
class ChildArg(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.k = KwScale()

    def forward(self, x: Tensor) -> Any:
        return self.k(x, scale=2.0 if self.training else 1.0)


class KwScale(Base):
    def forward(self, x: Tensor, scale: Any = 1.0) -> Any:
        return self.lin(x) * scale


@zoo()
class NotT(Base):
    def forward(self, x: Tensor) -> Any:
        return F.dropout(self.lin(x), p=0.0 if not self.training else 0.4, training=True)


@zoo()
class AndT(Base):
    def __init__(self) -> None:
        super().__init__()
        self.on = True

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2.0 if self.on and self.training else 1.0)


@zoo()
class BNEval(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.i = Drop1()
        self.i.eval()

    def forward(self, x: Tensor) -> Any:
        return self.i(x) + x


@zoo()
class OtherOp(Base):
    def forward(self, x: Tensor) -> Any:
        return torch.relu(self.lin(x)) if self.training else torch.tanh(self.lin(x))


@zoo()
class Order(Base):
    def forward(self, x: Tensor) -> Any:
        a = self.lin(x)
        b = torch.relu(x)
        return a - b if self.training else b - a


@zoo()
class StrT(Base):
    def forward(self, x: Tensor) -> Any:
        return F.interpolate(self.lin(x)[None], scale_factor=2, mode="nearest" if self.training else "linear")
