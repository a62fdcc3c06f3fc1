"""What keeps state where torch.fx does not look: each module counts, draws or remembers in another way."""

# ruff: noqa: B006, B019
# Written as people write, which is what is tested.
from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import os
import random
import time
import types
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


COUNT = {"n": 0}

SEEN: list = []


class Holder:
    n = 0


HOLDER = Holder()

RNG = random.Random(3)

NPRNG = np.random.default_rng(3)

ITER = itertools.count()


@zoo()
class ClassAttr(Base):
    n = 0

    def forward(self, x: Tensor) -> Any:
        ClassAttr.n += 1
        return self.lin(x) * ClassAttr.n


@zoo()
class ClassAttr2(Base):
    n = 0

    def forward(self, x: Tensor) -> Any:
        self.__class__.n += 1
        return self.lin(x) * self.n


@zoo()
class GlobalDict(Base):
    def forward(self, x: Tensor) -> Any:
        COUNT["n"] += 1
        return self.lin(x) * COUNT["n"]


@zoo()
class GlobalList(Base):
    def forward(self, x: Tensor) -> Any:
        SEEN.append(1)
        return self.lin(x) * len(SEEN)


@zoo()
class GlobalObj(Base):
    def forward(self, x: Tensor) -> Any:
        HOLDER.n += 1
        return self.lin(x) * HOLDER.n


@zoo()
class GlobalRng(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * RNG.random()


@zoo()
class GlobalNpRng(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * float(NPRNG.random())


@zoo()
class GlobalIter(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * next(ITER)


@zoo()
class OwnRng(Base):
    def __init__(self) -> None:
        super().__init__()
        self.rng = random.Random(0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.rng.random()


@zoo()
class OwnNpRng(Base):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * float(self.rng.random())


@zoo()
class OwnRandomState(Base):
    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.RandomState(0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * float(self.rng.rand())


@zoo()
class OwnTorchGen(Base):
    def __init__(self) -> None:
        super().__init__()
        self.g = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + torch.rand(6, generator=self.g)


@zoo()
class OwnIter(Base):
    def __init__(self) -> None:
        super().__init__()
        self.it = itertools.count(1)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * next(self.it)


@zoo()
class OwnCycle(Base):
    def __init__(self) -> None:
        super().__init__()
        self.it = itertools.cycle([1.0, 2.0, 3.0])

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * next(self.it)


@zoo()
class OwnDeque(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = collections.deque(maxlen=5)

    def forward(self, x: Tensor) -> Any:
        self.q.append(1)
        return self.lin(x) * len(self.q)


@zoo()
class OwnDefaultDict(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = collections.defaultdict(int)

    def forward(self, x: Tensor) -> Any:
        self.q["a"] += 1
        return self.lin(x) * self.q["a"]


@zoo()
class OwnCounter(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = collections.Counter()

    def forward(self, x: Tensor) -> Any:
        self.q.update("a")
        return self.lin(x) * self.q["a"]


@zoo()
class OwnArray(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = np.zeros(2)

    def forward(self, x: Tensor) -> Any:
        self.q[0] += 1
        return self.lin(x) * float(self.q[0])


@zoo()
class OwnByteArray(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = bytearray(2)

    def forward(self, x: Tensor) -> Any:
        self.q[0] += 1
        return self.lin(x) * self.q[0]


@zoo()
class OwnNamespace(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = types.SimpleNamespace(n=0)

    def forward(self, x: Tensor) -> Any:
        self.q.n += 1
        return self.lin(x) * self.q.n


class Slotted:
    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


@zoo()
class OwnSlots(Base):
    def __init__(self) -> None:
        super().__init__()
        self.q = Slotted()

    def forward(self, x: Tensor) -> Any:
        self.q.n += 1
        return self.lin(x) * self.q.n


@zoo()
class TensorAttrInPlace(Base):
    def __init__(self) -> None:
        super().__init__()
        self.t = torch.zeros(6)

    def forward(self, x: Tensor) -> Any:
        self.t.add_(1)
        return self.lin(x) + self.t


@zoo()
class TensorAttrInPlaceOnly(Base):
    def __init__(self) -> None:
        super().__init__()
        self.t = torch.zeros(6)

    def forward(self, x: Tensor) -> Any:
        self.t += 1
        return self.lin(x)


@zoo()
class TensorListInPlace(Base):
    def __init__(self) -> None:
        super().__init__()
        self.ts = [torch.zeros(6)]

    def forward(self, x: Tensor) -> Any:
        self.ts[0].add_(1)
        return self.lin(x) + self.ts[0]


@zoo()
class DefaultMutable(Base):
    def forward(self, x: Tensor, seen: Any = []) -> Any:
        seen.append(1)
        return self.lin(x) * len(seen)


def helper_memo(v: Any, memo: Any = {}) -> Any:
    memo["n"] = memo.get("n", 0) + 1
    return v * memo["n"]


@zoo()
class HelperMemo(Base):
    def forward(self, x: Tensor) -> Any:
        return helper_memo(self.lin(x))


def helper_attr(v: Any) -> Any:
    helper_attr.calls += 1
    return v * helper_attr.calls


helper_attr.calls = 0


@zoo()
class HelperAttr(Base):
    def forward(self, x: Tensor) -> Any:
        return helper_attr(self.lin(x))


def make_counter() -> Any:
    n = 0

    def count(v: Any) -> Any:
        nonlocal n
        n += 1
        return v * n

    return count


counter = make_counter()


@zoo()
class ClosureNonlocal(Base):
    def forward(self, x: Tensor) -> Any:
        return counter(self.lin(x))


@zoo()
class OwnFunctionState(Base):
    def __init__(self) -> None:
        super().__init__()
        self.f = make_counter()

    def forward(self, x: Tensor) -> Any:
        return self.f(self.lin(x))


def counted(f: Any) -> Any:
    calls = [0]

    @functools.wraps(f)
    def wrapped(self, x: Tensor) -> Any:
        calls[0] += 1
        return f(self, x) * calls[0]

    return wrapped


@zoo()
class DecoratedForward(Base):
    @counted
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@functools.lru_cache
def cached_noise(n: Any) -> Any:
    return torch.rand(n)


@zoo()
class LruNoise(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + cached_noise(6)


@functools.cache
def cached_mask(n: Any) -> Any:
    return torch.ones(n, n).tril()


@zoo()
class LruMask(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) @ cached_mask(6)


@zoo()
class LruMethod(Base):
    @functools.lru_cache
    def scale(self, n: Any) -> Any:
        return torch.full((n,), 2.0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.scale(6)


@zoo()
class CachedProp(Base):
    @functools.cached_property
    def mask(self) -> Any:
        return torch.ones(6).cumsum(0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.mask


@zoo()
class Clock(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + 0 * time.time() if time.time() > 0 else x


@zoo()
class Env(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if os.environ.get("ADV_FLAG") else 3)


@zoo()
class PropEffect(Base):
    def __init__(self) -> None:
        super().__init__()
        self.table = {"n": 0}

    @property
    def scale(self) -> Any:
        self.table["n"] += 1
        return self.table["n"]

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.scale


@zoo()
class PropPrint(Base):
    @property
    def scale(self) -> Any:
        COUNT["p"] = COUNT.get("p", 0) + 1
        return COUNT["p"]

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.scale


@zoo()
class SeedInForward(Base):
    def forward(self, x: Tensor) -> Any:
        torch.manual_seed(0)
        return self.lin(x) + torch.rand(6)


@zoo()
class ForkRng(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return y + torch.rand_like(y)


@contextlib.contextmanager
def counting() -> Any:
    COUNT["ctx"] = COUNT.get("ctx", 0) + 1
    yield COUNT["ctx"]


@zoo()
class CustomCtx(Base):
    def forward(self, x: Tensor) -> Any:
        with counting() as n:
            return self.lin(x) * n


@zoo()
class TryFinally(Base):
    def forward(self, x: Tensor) -> Any:
        try:
            return self.lin(x)
        finally:
            COUNT["f"] = 1


@zoo()
class EvalInForward(Base):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        self.drop.eval()
        return self.drop(self.lin(x))


@zoo()
class TrainFlagInForward(Base):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        self.drop.training = False
        return self.drop(self.lin(x))


@zoo()
class RegisterBufferInForward(Base):
    def forward(self, x: Tensor) -> Any:
        self.register_buffer("last", x.detach().mean(0), persistent=False)
        return self.lin(x) + self.last


@zoo()
class ObjectSetattr(Base):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def forward(self, x: Tensor) -> Any:
        object.__setattr__(self, "n", self.n + 1)
        return self.lin(x) * self.n


@zoo()
class VarsSelf(Base):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def forward(self, x: Tensor) -> Any:
        vars(self)["n"] += 1
        return self.lin(x) * self.n


@zoo()
class SetattrFn(Base):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def forward(self, x: Tensor) -> Any:
        self.n = self.n + 1
        return self.lin(x) * self.n


@zoo()
class DelAttr(Base):
    def __init__(self) -> None:
        super().__init__()
        self.n = 1

    def forward(self, x: Tensor) -> Any:
        y = self.lin(x) * (2 if hasattr(self, "n") else 3)
        if hasattr(self, "n"):
            del self.n
        return y


@zoo()
class ApplyInForward(Base):
    def forward(self, x: Tensor) -> Any:
        self.apply(
            lambda m: m.register_buffer("z", torch.zeros(1), persistent=False) if isinstance(m, nn.Linear) else None
        )
        return self.lin(x)


@zoo()
class ApplyFreeze(Base):
    def forward(self, x: Tensor) -> Any:
        self.lin.requires_grad_(False)
        return self.lin(x)


class PrintsBase(Base):
    def forward(self, x: Tensor) -> Any:
        print(end="")
        COUNT["b"] = COUNT.get("b", 0) + 1
        return self.lin(x) * COUNT["b"]


@zoo()
class SuperState(PrintsBase):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) + 1


@zoo()
class TempSelf(Base):
    def __init__(self) -> None:
        super().__init__()
        self.cache = None

    def forward(self, x: Tensor) -> Any:
        self.cache = self.lin(x)
        y = self.cache * 2
        self.cache = None
        return y


@zoo()
class TempList(Base):
    def __init__(self) -> None:
        super().__init__()
        self.feats = []

    def forward(self, x: Tensor) -> Any:
        self.feats.append(self.lin(x))
        y = self.feats[-1] * 2
        self.feats.clear()
        return y
