"""What stands beside or around forward, or is easily lost: containers, views, hooks, marks, other kinds of layers."""

# ruff: noqa: B007, B905, C416, UP042
# Written as people write, which is what is tested.
from __future__ import annotations

import collections
import copy
import dataclasses
import enum
import functools
import math
import types
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import rand as torch_rand
from torch import zeros as torch_zeros
from torch.nn.utils import parametrize

from tests.pytorch.zoo.case import Base, X, Y, Zoo

zoo = Zoo((X,), (Y,))


@zoo()
class TensorAttrRead(Base):
    def __init__(self) -> None:
        super().__init__()
        self.t = torch.arange(6.0)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + torch.softmax(self.t, 0) if self.t[1] > 0 else x


@zoo()
class ImportedRand(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + torch_rand(6)


@zoo()
class ImportedZeros(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) + torch_zeros(6)


@dataclasses.dataclass
class Batch:
    x: Tensor
    mask: Tensor | None = None


@zoo()
class CopyListIndex(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        z = y.detach().clone()
        a = z[[0, 1]]
        z.mul_(2)
        return a * z[:2]


@zoo()
class ShapeThenUnsqueeze(Base):
    def forward(self, x: Tensor) -> Any:
        z = self.lin(x).clone()
        n = z.shape[0]
        z.unsqueeze_(0)
        return z.reshape(n, 6)


@zoo({"x": X}, others=(({"x": Y},),))
class DictOverwrite(Base):
    def forward(self, b: Any) -> Any:
        b = b.copy()
        a = b["x"]
        b["x"] = self.lin(a)
        return b["x"] + a


@zoo({"x": X}, others=(({"x": Y},),))
class DictOverwrite2(Base):
    def forward(self, b: Any) -> Any:
        a = b["x"]
        b["x"] = 3
        return self.lin(a)


@zoo({"x": X, "k": X + 1}, others=())
class DictPop(Base):
    def forward(self, b: Any) -> Any:
        a = b.pop("x")
        return self.lin(a) + sum(b.values())


@zoo([X, X + 1])
class ListPop(Base):
    def forward(self, b: Any) -> Any:
        a = b[0]
        b[0] = b[1]
        return self.lin(a) - b[0]


@zoo()
class ReturnsOrdered(Base):
    def forward(self, x: Tensor) -> Any:
        return collections.OrderedDict(a=self.lin(x), b=x)


@zoo()
class ReturnsDefault(Base):
    def forward(self, x: Tensor) -> Any:
        d = collections.defaultdict(list)
        d["a"].append(self.lin(x))
        return d


class MyList(list):
    pass


class MyDict(dict):
    pass


class MyTuple(tuple):
    pass


@zoo()
class ReturnsMyList(Base):
    def forward(self, x: Tensor) -> Any:
        return MyList([self.lin(x)])


@zoo()
class ReturnsMyTuple(Base):
    def forward(self, x: Tensor) -> Any:
        return MyTuple([self.lin(x)])


@zoo()
class ReturnsMyDict(Base):
    def forward(self, x: Tensor) -> Any:
        return MyDict(a=self.lin(x))


class NT(NamedTuple):
    a: Tensor
    b: Any


@zoo()
class ReturnsNT(Base):
    def forward(self, x: Tensor) -> Any:
        return NT(self.lin(x), 3)


@zoo()
class ReturnsDC(Base):
    def forward(self, x: Tensor) -> Any:
        return Batch(self.lin(x))


@zoo()
class ReturnsSize(Base):
    def forward(self, x: Tensor) -> Any:
        return (self.lin(x), x.shape, x.dtype, x.device)


@zoo()
class InnerOrdered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.o = ReturnsOrdered()

    def forward(self, x: Tensor) -> Any:
        out = self.o(x)
        return (out, list(out))


class SMode(str, enum.Enum):
    A = "nearest"


class IMode(enum.IntEnum):
    A = 1


@zoo()
class StrEnumArg(Base):
    def forward(self, x: Tensor) -> Any:
        return F.interpolate(self.lin(x)[None], scale_factor=2, mode=SMode.A)


@zoo()
class IntEnumArg(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x).sum(IMode.A)


@zoo()
class NpScalars(Base):
    def __init__(self) -> None:
        super().__init__()
        self.s = np.float32(0.1)
        self.k = np.int64(2)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.s + x[:, : self.k].sum() + np.float64(2) * x


@zoo()
class InstanceForward(Base):
    def __init__(self) -> None:
        super().__init__()
        self.forward = self.fast

    def fast(self, x: Tensor) -> Any:
        return self.lin(x) * 5

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class InstanceForwardInner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.i = InstanceForward()

    def forward(self, x: Tensor) -> Any:
        return self.i(x) + 1


@zoo()
def PatchedForward2() -> Any:
    m = nn.Sequential(Base2(), nn.ReLU())
    m[0].forward = types.MethodType(lambda self, x: self.lin(x) * 3, m[0])
    return m


class Base2(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class PreHook(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_forward_pre_hook(lambda m, a: (a[0] * 2,))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class StateDictHook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.i = SDH()

    def forward(self, x: Tensor) -> Any:
        return self.i(x)


class SDH(Base):
    def __init__(self) -> None:
        super().__init__()
        self._register_state_dict_hook(lambda m, sd, p, md: sd.__setitem__(p + "extra", torch.ones(1)) or sd)
        self._register_load_state_dict_pre_hook(lambda sd, p, *a: sd.pop(p + "extra", None))

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class TensorHook(Base):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(6))
        self.w.register_hook(lambda g: g * 2)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.w


@zoo()
class TensorHookLeaf(Base):
    def __init__(self) -> None:
        super().__init__()
        self.lin.weight.register_hook(lambda g: g * 2)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


def _dbl(p: Any) -> Any:
    p.grad.mul_(2)


@zoo()
class PostAccHook(Base):
    def __init__(self) -> None:
        super().__init__()
        self.lin.weight.register_post_accumulate_grad_hook(_dbl)

    def forward(self, x: Tensor) -> Any:
        return self.lin(x)


@zoo()
class SubHook(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Sequential(nn.Linear(6, 6))
        self.b.register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,))
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.b(self.l(x))


@zoo()
class ParamAttr(Base):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(6))
        self.w.no_decay = True
        self.lin.weight.tag = "x"

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * self.w


@zoo()
class Jitted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.j = torch.jit.script(nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.j(x))


@torch.jit.script
def jit_fn(x: Tensor) -> Tensor:
    if x.sum() > 0:
        return x * 2
    return x * 3


@zoo()
class JitFn(Base):
    def forward(self, x: Tensor) -> Any:
        return jit_fn(self.lin(x))


@zoo()
class LazyLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.LazyLinear(5)
        self.r = nn.ReLU()

    def forward(self, x: Tensor) -> Any:
        return self.r(self.l(x))


@zoo()
class QuantStubs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = torch.ao.quantization.QuantStub()
        self.l = nn.Linear(6, 6)
        self.d = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Tensor) -> Any:
        return self.d(self.l(self.q(x)))


@zoo()
class FakeQuant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q = torch.ao.quantization.FakeQuantize()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.l(self.q(x))


@zoo()
class ParamDict(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.ParameterDict({"a": nn.Parameter(torch.randn(6)), "b": nn.Parameter(torch.ones(6))})

    def forward(self, x: Tensor) -> Any:
        for k, v in self.p.items():
            x = x * v
        return x + self.p["a"] + sum(self.p.values())


@zoo()
class ModuleDictKey(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.ModuleDict({f"k{i}": nn.Linear(6, 6) for i in range(3)})
        self.i = 1

    def forward(self, x: Tensor) -> Any:
        return self.m[f"k{self.i + 1}"](x)


@zoo()
class ComplexParam(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 2))
        self.register_buffer("c", torch.polar(torch.ones(6), torch.arange(6.0)))

    def forward(self, x: Tensor) -> Any:
        return (torch.view_as_complex(self.w) * 2).abs().sum() + (x * self.c).real


@zoo()
class LeafKeeps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = Keep(6, 6)
        self.m = Keep2(6)

    def forward(self, x: Tensor) -> Any:
        return self.m(self.l(x))


class Keep(nn.Linear):
    def reset_parameters(self) -> Any:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)


class Keep2(nn.LayerNorm):
    def __init__(self, d: Any) -> None:
        super().__init__(d, eps=0.001)
        self.extra = 3


@zoo()
class LeafOverrides(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = Over(6, 6)
        self.d = OverDrop(0.5)

    def forward(self, x: Tensor) -> Any:
        return self.d(self.l(x))


class Over(nn.Linear):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * 2


class OverDrop(nn.Dropout):
    def forward(self, x: Tensor) -> Any:
        if not self.training:
            return x
        return super().forward(x) + 1


class MixA(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return x + 1


class MixB(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * 2 if hasattr(super(), "forward") else x


@zoo()
class Diamond(MixB, MixA):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return super().forward(self.l(x))


@zoo()
class ViewsInPlace(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        z = y.detach().clone()
        v = z[:, 1:3]
        w = z.view(-1)
        t = z.t()
        v.mul_(2)
        w[0] = 9
        t += 1
        return y + z + v.sum() + w.mean() + t.sum()


@zoo(X.clone())
class InputInPlace(Base):
    def forward(self, x: Tensor) -> Any:
        x += 1
        x.relu_()
        x[0] = 0
        return self.lin(x.clone()) + F.relu(x, inplace=True)


@zoo()
class DataAttr(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        d = y.data
        d.mul_(2)
        self.lin.bias.data.add_(0.5)
        return y + d


@zoo()
class ItemCase(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * x.sum().item()


@zoo()
class TensorOfShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) / torch.tensor(x.shape).prod() + torch.tensor([x.shape[0], 2.0]).sum()


@zoo()
class SqrtShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x) / math.sqrt(x.shape[0]) + x.size(-1) ** (-0.5)


@zoo()
class StarShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x).reshape(*x.shape[:-1], 2, 3)


@zoo()
class RowLoop(Base):
    def forward(self, x: Tensor) -> Any:
        return torch.stack([self.lin(r) for r in x])


@zoo()
class UnbindZip(Base):
    def forward(self, x: Tensor) -> Any:
        return sum((a * b for a, b in zip(x.unbind(0), self.lin(x).unbind(0))))


@zoo()
class SplitSizes(Base):
    def forward(self, x: Tensor) -> Any:
        a, b = torch.split(self.lin(x), [2, 4], dim=1)
        c, d, e = x.chunk(3, 1)
        return a.sum() + b + c.sum() + (d + e).sum()


class Two(Base):
    def forward(self, a: Any, b: Any = None, *, c: Any = 1.0) -> Any:
        y = self.lin(a) * c
        return y if b is None else y + b


@zoo()
class CopiesInit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        a = nn.Linear(6, 6)
        self.a = copy.deepcopy(a)
        self.b = copy.deepcopy(a)
        self.c = copy.copy(a)

    def forward(self, x: Tensor) -> Any:
        return self.c(self.b(self.a(x)))


class Positive(nn.Module):
    def forward(self, w: Any) -> Any:
        return w.abs()


@zoo()
class Parametrized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(6, 6)
        parametrize.register_parametrization(self.l, "weight", Positive())
        self.r = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.r(self.l(x))


@zoo()
class OldWeightNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.l = torch.nn.utils.weight_norm(nn.Linear(6, 6))
        self.s = torch.nn.utils.spectral_norm(nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Any:
        return self.s(self.l(x))


@zoo()
class ParametrizedOwn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(6))
        parametrize.register_parametrization(self, "w", Positive())
        self.r = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.r(x) * self.w


@zoo()
class Einsum(Base):
    def forward(self, x: Tensor) -> Any:
        return torch.einsum("bi,bj->bij", x, self.lin(x)).sum(-1)


@zoo()
class AtenOps(Base):
    def forward(self, x: Tensor) -> Any:
        return (
            torch.ops.aten.add(torch.ops.aten.relu.default(self.lin(x)), 1)
            + torch._C._nn.gelu(x)
            + torch.Tensor.add(x, 1)
        )


@zoo()
class Distr(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        return torch.distributions.Normal(y, y.abs() + 1).rsample()


@zoo()
class MadeInForward(Base):
    def forward(self, x: Tensor) -> Any:
        y = nn.Dropout(0.5)(nn.ReLU()(self.lin(x)))
        return nn.Softmax(dim=-1)(nn.Sequential(self.lin, nn.Tanh())(y))


@zoo()
class MadeLinear(Base):
    def forward(self, x: Tensor) -> Any:
        return nn.Linear(6, 6)(self.lin(x))


@zoo()
class MadeBN(Base):
    def forward(self, x: Tensor) -> Any:
        return nn.BatchNorm1d(6, affine=False, track_running_stats=False)(self.lin(x))


@zoo()
class SharedDiffMode(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.t = Two()

    def forward(self, x: Tensor) -> Any:
        return self.t(x) + self.t(x, x) + self.t(x, c=2.0)


@zoo()
class Partial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = functools.partial(F.leaky_relu, negative_slope=0.3)
        self.l = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Any:
        return self.f(self.l(x))


@zoo()
class TorchSize0(Base):
    def forward(self, x: Tensor) -> Any:
        n = x.size(0)
        n += 1
        m = n
        n *= 2
        return self.lin(x) * n + m


@zoo()
class RegHookInForward(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        if y.requires_grad:
            y.register_hook(lambda g: g * 2)
        return y


@zoo()
class RetainGrad(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        y.retain_grad()
        return y * 2


@zoo()
class CopyProxy(Base):
    def forward(self, x: Tensor) -> Any:
        y = copy.copy(self.lin(x))
        z = copy.deepcopy(x)
        return y + z


@zoo()
class GenFn(Base):
    def feats(self, x: Tensor) -> Any:
        for i in range(3):
            x = self.lin(x)
            yield x

    def forward(self, x: Tensor) -> Any:
        return sum(self.feats(x)) + max([1, 2]) + [f for f in self.feats(x)][-1]


@zoo()
class SetIter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m = nn.ModuleDict({k: nn.Linear(6, 6) for k in "abc"})
        self.names = {"a", "b", "c"}

    def forward(self, x: Tensor) -> Any:
        for n in sorted(self.names):
            x = self.m[n](x)
        return x


@zoo()
class Checkpoint(Base):
    def forward(self, x: Tensor) -> Any:
        return torch.utils.checkpoint.checkpoint(self.lin, x, use_reentrant=False)


@zoo()
class GradInForward(Base):
    def forward(self, x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        y = self.lin(x).sum()
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        return g * 2


class FF(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 7


@zoo()
class AutoFn(Base):
    def forward(self, x: Tensor) -> Any:
        return FF.apply(self.lin(x))


@zoo()
class BoolMaskIdx(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        return y[y > 0].sum() + y[x > 0].mean()


@zoo()
class OutArg(Base):
    def forward(self, x: Tensor) -> Any:
        o = torch.empty_like(x)
        torch.add(x, 1, out=o)
        return self.lin(o)


@zoo()
class ImplicitInt(Base):
    def forward(self, x: Tensor) -> Any:
        h = int(x.shape[1] / 2)
        return self.lin(x)[:, :h]


@zoo()
class RoundShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)[:, : round(x.shape[1] * 0.5)]


@zoo()
class CeilShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)[:, : math.ceil(x.shape[1] * 0.4)]


@zoo()
class MinShape(Base):
    def forward(self, x: Tensor) -> Any:
        return self.lin(x)[:, : min(x.shape[1], 4)]
