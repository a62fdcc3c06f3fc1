"""What stands around a module: helpers, tables of functions, other modules and what they share."""

# ruff: noqa: E741, F841
# Written as people write, which is what is tested.
from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


COUNT = {"n": 0}


class PrintsBase(Base):
    def forward(self, x: Tensor) -> Any:
        print(end="")
        COUNT["b"] = COUNT.get("b", 0) + 1
        return self.lin(x) * COUNT["b"]


class Acc:
    total = 0

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def add(self, y: Any) -> Any:
        try:
            return self.x @ y
        except RuntimeError:
            return self.x + y


@zoo()
class UsesHelper(Base):
    def forward(self, x: Tensor) -> Any:
        return Acc(self.lin(x)).add(x)


class Counts:
    made = 0

    def __init__(self) -> None:
        Counts.made += 1


@zoo()
class CountsHelpers(Base):
    def forward(self, x: Tensor) -> Any:
        Counts()
        return self.lin(x) * Counts.made


def times(x: Tensor) -> Any:
    COUNT["t"] = COUNT.get("t", 0) + 1
    return x * COUNT["t"]


TABLE = {"times": times, "relu": F.relu}


@zoo()
class FromTable(Base):
    def forward(self, x: Tensor) -> Any:
        return TABLE["times"](self.lin(x))


@zoo()
class OwnTable(Base):
    def __init__(self) -> None:
        super().__init__()
        self.fs = [times, F.relu]

    def forward(self, x: Tensor) -> Any:
        for f in self.fs:
            x = f(x)
        return self.lin(x)


@zoo()
class LocalImport(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (time.time() > 0) if time.time() > 0 else x


class Seen(Base):
    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class ChangesChild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = Seen()

    def forward(self, x: Tensor) -> Any:
        self.c.seen.append(1)
        return self.c(x) * len(self.c.seen)


@zoo()
class ChangesGrandchild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = ChangesChild()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.p(x))


@zoo()
class ChildTensor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = Seen()
        self.c.t = torch.zeros(6)
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        self.c.t.add_(1)
        return self.l(x) + self.c.t


@zoo()
class Cuda(Base):
    def forward(self, x: Tensor) -> Any:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return self.lin(x) + torch.zeros(6, device=device)


@zoo()
class TrainAnd(Base):
    def __init__(self) -> None:
        super().__init__()
        self.on = True

    def forward(self, x: Tensor) -> Any:
        return F.dropout(self.lin(x), 0.5, self.training and self.on)


@zoo()
class TrainOr(Base):
    def __init__(self) -> None:
        super().__init__()
        self.on = True

    def forward(self, x: Tensor) -> Any:
        return (F.dropout(self.lin(x), 0.5, self.on or self.training), F.dropout(x, 0.3, self.training or False))


@zoo()
class ChildForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = PrintsBase()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.c.forward(x))


@zoo()
class ChildMethod(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c = HasMethod()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.c.features(x))


class HasMethod(Base):
    def features(self, x: Tensor) -> Any:
        match x.shape:
            case [b, c]:
                return self.lin(x)
            case _:
                return x

    def forward(self, x: Tensor) -> Any:
        return self.features(x)


@zoo()
class Generic(Base):
    def forward(self, x: Tensor) -> Any:
        ys = [self.lin(x)]
        ys.append(ys[-1] * 2)
        ys.insert(0, x)
        d = {"a": ys}
        d.setdefault("b", []).append(ys.pop())
        return d


@zoo()
class SharedList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.feats = []
        self.a = Pushes(self.feats)
        self.b = Pushes(self.feats)

    def forward(self, x: Tensor) -> Any:
        self.feats.clear()
        self.a(x)
        self.b(x)
        return sum(self.feats)


class Pushes(Base):
    def __init__(self, feats: Any) -> None:
        super().__init__()
        self.feats = feats

    def forward(self, x: Tensor) -> Any:
        self.feats.append(self.lin(x))
        return x


@zoo()
class ModuleInClosure(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(6, 6)
        l = self.l
        self.f = lambda x: l(x) * 2

    def forward(self, x: Tensor) -> Any:
        return self.f(x)


@zoo()
class ForeignModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(x) + FOREIGN(x)


FOREIGN = nn.Linear(6, 6, bias=False)
nn.init.ones_(FOREIGN.weight)


@zoo()
class ListOfModules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(6, 6)
        self.hidden = [self.l, nn.ReLU()]

    def forward(self, x: Tensor) -> Any:
        for m in self.hidden:
            x = m(x)
        return x


@zoo()
class Walrus(Base):
    def forward(self, x: Tensor) -> Any:
        if (n := len([1, 2])) > 1:
            x = x * n
        return self.lin(x)


@zoo()
class RShift(Base):
    def forward(self, x: Tensor) -> Any:
        i = x.long()
        return (
            i << 1,
            i >> 1,
            1 << i.abs(),
            i | 3,
            i ^ 1,
            divmod(7, 2),
            round(2.5),
            self.lin(x) @ x.t(),
            x.t().__matmul__(x),
        )


@zoo()
class Iadd(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        z = y
        y = y + 1
        z = z * 2
        z += y
        z -= 1
        z *= 2
        z /= 3
        z **= 2
        return (y, z)
