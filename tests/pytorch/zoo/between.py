"""Between modules: what they pass, return, and change of what they were passed."""

# ruff: noqa: B007, E741, RUF059
# Written as people write, which is what is tested.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


class Opt(Base):
    def forward(self, x: Tensor, a: Any = None, *rest: Any, k: Any = 1.0, **named: Any) -> Any:
        y = self.lin(x) * k
        if a is not None:
            y = y + a
        for r in rest:
            y = y + r
        for n, v in named.items():
            y = y * v
        return y


@zoo()
class CallsOpt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = Opt()

    def forward(self, x: Tensor) -> Any:
        return self.o(x) + self.o(x, x) + self.o(x, x, x, x) + self.o(x, k=2.0) + self.o(x, z=x, w=3.0)


@zoo()
class TupleUnpack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = RetTuple()

    def forward(self, x: Tensor) -> Any:
        (a, b), *c = self.o(x)
        return (a, b, c)


class RetTuple(Base):
    def forward(self, x: Tensor) -> Any:
        return ((self.lin(x), x), [x + 1], {"k": x})


@zoo()
class PassThrough(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = Through()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y, same = self.o(x, flag=True)
        y2, same2 = self.o(x, flag=False)
        return (self.l(y) + same, y2)


class Through(nn.Module):
    def forward(self, x: Tensor, flag: Any) -> Any:
        return (x * 2, x) if flag else (x, x)


@zoo()
class ReturnsNoneInner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = SideNone()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y, none = self.o(x)
        return self.l(y) if none is None else none


class SideNone(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return (x + 1, None)


@zoo()
class InnerInplace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = AddsInPlace()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y = self.l(x).detach().clone()
        s = y[0]
        t = y[[0]]
        n = y.shape
        z = self.o(y)
        return (y, s * 1, t * 1, z, n)


class AddsInPlace(nn.Module):
    def forward(self, x: Tensor) -> Any:
        x += 1
        x.t_()
        x.t_()
        return x


@zoo()
class ReadsAfterModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = Unsq()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y = self.l(x).detach().clone()
        n = y.shape[0]
        self.o(y)
        return y.reshape(n, 6)


class Unsq(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x.unsqueeze_(0)


@zoo()
class BufferRead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("b", torch.zeros(6))
        self.o = Incr()
        self.o.register_buffer("b", self.b)
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        before = self.b * 1
        self.o(x)
        return (self.l(x) + before, self.b * 1)


class Incr(nn.Module):
    def forward(self, x: Tensor) -> Any:
        self.b.add_(1)
        return x


@zoo()
class DictState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ls = nn.ModuleList([Layer(i) for i in range(3)])

    def forward(self, x: Tensor) -> Any:
        cache = {}
        for l in self.ls:
            x = l(x, cache)
        return (x, cache)


class Layer(Base):
    def __init__(self, i: Any) -> None:
        super().__init__()
        self.i = i

    def forward(self, x: Tensor, cache: Any) -> Any:
        cache[self.i] = x
        return self.lin(x) + sum(cache.values())


@zoo()
class ReturnsSelfAttr(Base):
    def __init__(self) -> None:
        super().__init__()
        self.sizes = [1, 2]
        self.cfg = {"a": 1}

    def forward(self, x: Tensor) -> Any:
        return (self.lin(x), self.sizes, self.cfg, self.lin.weight, self.training)


@zoo()
class NestedFns(Base):
    def forward(self, x: Tensor) -> Any:
        acc = []

        def visit(d: Any, y: Any) -> Any:
            if d == 0:
                acc.append(y)
                return
            visit(d - 1, self.lin(y))
            visit(d - 1, y * 2)

        visit(2, x)
        return torch.stack(acc)


@zoo()
class EmptyOut(Base):
    def forward(self, x: Tensor) -> Any:
        return ()


@zoo()
class NoOut(Base):
    def forward(self, x: Tensor) -> Any:
        self.lin(x)


@zoo()
class StrOut(Base):
    def forward(self, x: Tensor) -> Any:
        return {"y": self.lin(x), "name": "n", 3: 4, None: x, (1, 2): x}


@zoo()
class GradX(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x.requires_grad_())
        return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


@zoo()
class Slices(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        n = x.size(0)
        idx = torch.arange(n - 1, -1, -1)
        y = y.clone()
        y[idx] = y.clone()
        y[..., 1:3] *= 2
        y[:, [0, 2]] += 1
        y[y > 1] = 1
        y[0:1, None]
        y[-1] = 0
        return (y[idx][:, ::2], y[:, -3:-1], y[..., None, :][0], y[None][0, :, 1], y[n - 1], y[: n // 2 + 1])
