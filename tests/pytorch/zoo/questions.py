"""What asks of a value what only the run knows, in ways that no proxy can intercept."""

# ruff: noqa: F841, RUF059
# Written as people write, which is what is tested.
from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import enum
import numbers
import typing
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


@zoo()
class GradEnabled(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if torch.is_grad_enabled() else 3)


@zoo()
class EnableGradCtx(Base):
    def forward(self, x: Tensor) -> Any:
        with torch.enable_grad():
            return self.lin(x) * 2


@zoo()
class AutocastOff(Base):
    def forward(self, x: Tensor) -> Any:
        with torch.autocast("cpu", enabled=False):
            return self.lin(x) * 2


@zoo()
class InferenceMode(Base):
    def forward(self, x: Tensor) -> Any:
        with torch.inference_mode():
            y = self.lin(x)
        return y.clone() + x


@zoo()
class DefaultDtype(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + torch.zeros(6, dtype=torch.get_default_dtype())


@zoo()
class TrainingIsTrue(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if self.training is True else 3)


@zoo()
class ProxyIs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = IsSame()
        self.lin = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        return self.inner(y, y) + self.inner(y, x)


class IsSame(nn.Module):
    def forward(self, q: Any, k: Any) -> Any:
        return q * 2 if q is k else q + k


@zoo()
class DtypeIs(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if x.dtype is torch.float32 else 3)


@zoo()
class WeightIs(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if self.lin.weight is x else 3)


@zoo()
class AttnWeightsNone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x: Tensor) -> Any:
        y, w = self.attn(x[None], x[None], x[None], need_weights=False)
        return y * 2 if w is None else y + w.sum()


class MaybeNone(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x if x.sum() > 1000000000.0 else None


@zoo()
class OpaqueNone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.maybe = MaybeNone()
        self.lin = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        m = self.maybe(x)
        y = self.lin(x)
        return y * 3 if m is None else y + m


@zoo({"x": X}, others=(({"x": X, "mask": X},),))
class DictGet(Base):
    def forward(self, batch: Any) -> Any:
        mask = batch.get("mask")
        y = self.lin(batch["x"])
        return y if mask is None else y * mask


@zoo({"x": X, "mask": None}, others=(({"x": X, "mask": X},),))
class DictNone(Base):
    def forward(self, batch: Any) -> Any:
        y = self.lin(batch["x"])
        return y if batch["mask"] is None else y * batch["mask"]


@zoo(X, None, others=((X, X),))
class RequiredNone(Base):
    def forward(self, x: Tensor, mask: Any) -> Any:
        y = self.lin(x)
        if mask is not None:
            y = y * mask
        return y


class TakesMask(Base):
    def forward(self, x: Tensor, mask: Any) -> Any:
        y = self.lin(x)
        return y if mask is None else y * mask


@zoo(X, None, others=((X, X),))
class RequiredNoneBelow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = TakesMask()

    def forward(self, x: Tensor, mask: Any) -> Any:
        return self.inner(x, mask)


@dataclasses.dataclass
class Batch:
    x: Tensor
    mask: Tensor | None = None


@zoo(Batch(X), others=((Batch(X, X),),))
class DataclassNone(Base):
    def forward(self, b: Any) -> Any:
        y = self.lin(b.x)
        return y if b.mask is None else y * b.mask


@zoo()
class GradNone(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if self.lin.weight.grad is None else 3)


@zoo()
class DictLookup(Base):
    def __init__(self) -> None:
        super().__init__()
        self.table = {2: 1.0, 3: 5.0}

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.table.get(x.shape[0], 9.0)


@zoo()
class InSet(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if x.shape[0] in {2, 4} else 3)


@zoo()
class InTuple(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if x.shape[0] in (2, 4) else 3)


@zoo()
class MatchShape(Base):
    def forward(self, x: Tensor) -> Any:
        match x.shape:
            case [b, c]:
                return self.lin(x) * 2
            case _:
                return self.lin(x) * 3


@zoo()
class MatchType(Base):
    def forward(self, x: Tensor) -> Any:
        match x:
            case Tensor():
                return self.lin(x) * 2
            case _:
                return self.lin(x) * 3


@zoo()
class Callable_(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if callable(x) else 3)


@zoo()
class AsksForAnAbstractClass(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if isinstance(x.shape[0], numbers.Number) else 3)


@zoo()
class AsksForATypingClass(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if isinstance(x, typing.Sized) else 3)


is_of = isinstance


@zoo()
class AsksForAnAbstractClassByAnotherName(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if is_of(x, collections.abc.Sized) else 3)


@zoo()
class AsksAsScriptsDo(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if torch.jit.isinstance(x, Tensor) else 3)


ask = callable


@zoo()
class CallableByAnotherName(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if ask(x) else 3)


@zoo()
class TryMatmul(Base):
    def forward(self, x: Tensor) -> Any:
        try:
            y = x @ x
        except RuntimeError:
            y = self.lin(x)
        return y * 2


@zoo()
class Suppress(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        with contextlib.suppress(RuntimeError):
            y = x @ x
        return y


class EMode(enum.Enum):
    A = 1


@zoo()
class EnumSelf(Base):
    def __init__(self) -> None:
        super().__init__()
        self.mode = EMode.A

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if self.mode is EMode.A else 3)


@zoo()
class LenX(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * len(x.shape) * x.ndim


@zoo()
class ShapeIf(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) if x.shape[0] > 2 else x


@zoo()
class AssertShape(Base):
    def forward(self, x: Tensor) -> Any:
        assert x.dim() == 2, f"bad {x.shape}"
        b, c = x.shape
        assert c == 6
        return self.lin(x)


@zoo()
class RaiseShape(Base):
    def forward(self, x: Tensor) -> Any:
        if x.dim() != 2:
            raise ValueError("rank")
        return self.lin(x)


@zoo(X, X, others=((Y, Y),), flag=True)
class VarKw(Base):
    def forward(self, *args: Any, **kw: Any) -> Any:
        return self.lin(args[0]) * len(args) + (1 if kw.get("flag") else 2)


@zoo(X, others=((X, X, X),))
class VarArgs(Base):
    def forward(self, *xs: Any) -> Any:
        return sum(self.lin(x) for x in xs)


@zoo(X, others=((X, X),))
class PosOnly(Base):
    def forward(self, x: Tensor, y: Any = None, /) -> Any:
        return self.lin(x) if y is None else self.lin(y)


@zoo(X, scale=2.0)
class KwOnly(Base):
    def forward(self, x: Tensor, *, scale: Any, shift: Any = 1.0) -> Any:
        return self.lin(x) * scale + shift


@zoo(X, others=((X, X),))
class UnusedOpt(Base):
    def forward(self, x: Tensor, y: Any = None) -> Any:
        return self.lin(x)


@zoo(X, others=((X, False),))
class FlagDefault(Base):
    def forward(self, x: Tensor, flag: Any = True) -> Any:
        return self.lin(x) if flag else x


@zoo(X, others=((X, 3.0),))
class NumDefault(Base):
    def forward(self, x: Tensor, scale: Any = 2.0) -> Any:
        return self.lin(x) * scale


class Fwd(nn.Module):
    def __init__(self, m: Any) -> None:
        super().__init__()
        self.m = m

    def forward(self, *a: Any, **k: Any) -> Any:
        return self.m(*a, **k)


class Two(Base):
    def forward(self, a: Any, b: Any = None, *, c: Any = 1.0) -> Any:
        y = self.lin(a) * c
        return y if b is None else y + b


@zoo()
class Forwards(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = Fwd(Two())

    def forward(self, x: Tensor) -> Any:
        return self.f(x) + self.f(x, x) + self.f(x, b=x, c=3.0)


@zoo()
class ReqGrad(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if x.requires_grad else 3)


@zoo()
class Hash(Base):
    def __init__(self) -> None:
        super().__init__()
        self.memo = {}

    def forward(self, x: Tensor) -> Any:
        if x not in self.memo:
            self.memo.clear()
            self.memo[x] = len(self.memo) + 2
        return self.lin(x) * self.memo[x]


@zoo()
class NpShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * np.sqrt(x.shape[0]) + float(np.prod([2, 3]))


@zoo()
class TypeVarX(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * (2 if x.__class__ is Tensor else 3)


@zoo()
class GetattrDefault(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * getattr(x, "scale", 3.0)


@zoo()
class AssertAnd(Base):
    def forward(self, x: Tensor) -> Any:
        assert x.dim() == 2 and x.shape[1] == 6, "rank"
        assert x.shape[0] > 1
        return self.lin(x)


@zoo(X, others=((torch.ones(1, 6),),))
class AssertOr(Base):
    def forward(self, x: Tensor) -> Any:
        assert x.dim() == 2 or x.shape[1] == 6, "rank"
        return self.lin(x)


@zoo(X, others=((torch.ones(1, 6),),))
class AssertFails(Base):
    def forward(self, x: Tensor) -> Any:
        assert x.shape[0] > 1, f"batch {x.shape}"
        return self.lin(x)


@zoo(X, others=((torch.ones(1, 6),), (torch.ones(3, 6),)))
class RaisesOnlySometimes(Base):
    def forward(self, x: Tensor) -> Any:
        if x.shape[0] == 1:
            return x
        if x.shape[0] == 2:
            return self.lin(x)
        raise NotImplementedError(f"{x.shape}")
