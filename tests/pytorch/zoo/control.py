"""Control flow, modes and state: what torch.fx cannot follow, or would follow wrongly."""

# ruff: noqa: RET504
# Written as people write, which is what is tested.
from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Zoo
from tests.pytorch.zoo.structure import Block

zoo = Zoo()


class Drop(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if self.p == 0.0 or not self.training:
            return x
        keep = 1 - self.p
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        mask = x.new_empty(shape).bernoulli_(keep)
        return x * mask.div_(keep)


@zoo(X, opaque=None)
class StochasticDepth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(6) for _ in range(3)])
        self.drops = nn.ModuleList([Drop(p) for p in (0.0, 0.1, 0.2)])

    def forward(self, x: Tensor) -> Tensor:
        for block, drop in zip(self.blocks, self.drops, strict=True):
            x = x + drop(block(x))
        return x


@zoo(X, opaque=None)
class TrainingBranch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Any:
        y = self.a(x)
        if self.training:
            return y, self.b(x)
        return y.softmax(-1)


@zoo(X, opaque=None)
class Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        if self.training:
            y = y + torch.randn_like(y) * 0.1
        return y + torch.rand(2, 1) + torch.randn(y.shape)


@zoo(X, opaque=("odd",))
class OnShape(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.odd = OddOrEven()
        self.a = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.odd(self.a(x))


class OddOrEven(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] % 2 == 0 and x.dim() == 2:
            return x * 2
        return x


class Positive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        if y.sum() > 0:
            return y
        while y.abs().max() < 10:
            y = y * 2
        return y


@zoo(X, opaque=("inner",))
class DataDependent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.inner = Positive()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.first(x))


class PythonRandom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * random.random() if random.random() < 2 else x


class NumpyRandom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + float(np.random.rand())


class TorchRandom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rand(1).item() if torch.rand(1) > 2 else x + torch.rand(()).item()


@zoo(X, opaque=("torch",))
class RandomNumbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.torch = TorchRandom()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.torch(x)) + torch.randint(0, 5, (2, 1)) + torch.randperm(6)


class Counter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.n = 0
        self.seen: list[int] = []
        self.table: dict[str, int] = {"calls": 0}

    def forward(self, x: Tensor) -> Tensor:
        self.n += 1
        return x * self.n


class Lister(Counter):
    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(1)
        return x * len(self.seen)


class Tabler(Counter):
    def forward(self, x: Tensor) -> Tensor:
        self.table["calls"] += 1
        return x * self.table["calls"]


class Buffered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return x * self.steps


class BufferedInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return x - self.mean


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = x.detach()
        return x * 2


@zoo(X, opaque=("count", "list", "table", "last"), options={"attributes": False})
class State(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.count, self.list, self.table = Counter(), Lister(), Tabler()
        self.linear = nn.Linear(6, 6)
        self.last = Remembers()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.linear(self.table(self.list(self.count(x)))))


@zoo(X, opaque=None)
class Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Buffered(), BufferedInPlace()

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class NoGrad(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.linear(x)
        return y


class Decorated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.linear(x)


class DisablesAutocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return self.linear(x.float())


@zoo(X.clone().requires_grad_(), opaque=("a", "b", "c"))
class GradModes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = NoGrad(), Decorated(), Autocast()
        self.last = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.a(x) + self.b(x) + x) + self.c(x)


class IsTensor(nn.Module):
    def forward(self, x: Tensor | list[Tensor]) -> Tensor:
        if isinstance(x, Tensor):
            return x * 2
        return torch.cat(x)


class TypeOf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 if type(x) is Tensor else x


@zoo(X, opaque=("a", "b"))
class Types(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = IsTensor(), TypeOf()

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


class OnDevice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        device = next(self.parameters()).device
        return x * self.weight + torch.zeros(6, device=device) + torch.ones(6, device=self.weight.device)


@zoo(X, opaque=None)
class Devices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = OnDevice()

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + torch.arange(6, device=x.device)


@zoo(X, opaque=None)
class Asserts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.shape[1] == 6, "width")
        assert x.dim() == 2, "rank"
        return self.linear(x)


@zoo(X)
class Raises(nn.Module):
    """Refuses what it was not made for."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != 6 or x.dim() > 2:
            raise ValueError(f"the width is {x.shape[-1]}")
        if not torch.isfinite(x).all():
            raise ValueError("no numbers")
        y = self.linear(x)
        if x.shape != y.shape:
            raise RuntimeError("other shapes")
        if x.size() == (2, 6):
            return y
        raise NotImplementedError


@zoo(X)
class RaisesInTraining(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.requires_grad:
            raise RuntimeError("for inference only")
        return x * 2


class CausalMask:
    def __init__(self, size: Any, device: Any) -> None:
        with torch.no_grad():
            self.values = torch.triu(torch.ones(size, size, dtype=torch.bool), diagonal=1).to(device)


@zoo(X)
class NothingToDifferentiate(nn.Module):
    """Opens `torch.no_grad()` where there are no gradients anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.register_buffer("scales", torch.linspace(0, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        mask = CausalMask(x.shape[0], x.device)
        with torch.no_grad():
            steps = torch.arange(x.shape[1], device=x.device) * self.scales + torch.zeros_like(x)
        return (x @ x.T).masked_fill(mask.values, -1e9).softmax(-1) @ x + steps


@zoo(X, opaque=("the",))
class MixedGradients(nn.Module):
    """Writes values with gradients into one that had none, before it uses that without."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        table = torch.zeros(2, 6)
        part = table.view(12)
        table.add_(self.linear.bias)
        with torch.no_grad():
            doubled = part * 2
        return self.linear(x) * doubled.view(2, 6)


@zoo(X)
class MinusInfinity(nn.Module):
    """Uses `float` as a method, of which a variable may have its name, and as a function."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.float()
        return y.masked_fill(y > 0.5, float("-inf")).softmax(-1) + y


@torch.jit.script
def gated(x: Tensor, y: Tensor) -> Tensor:
    return torch.tanh(x) * torch.sigmoid(y)


@zoo(X)
class Compiled(nn.Module):
    """Calls a function that torch.jit compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 12)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.linear(x).chunk(2, -1)
        return gated(first, second)


class Looped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(())
        for row in x:
            total = total + row.sum()
        return total


class Lengths(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * len(x)


@zoo(X, opaque=("rows",))
class LoopsOverTensors(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows, self.length = Looped(), Lengths()

    def forward(self, x: Tensor) -> Tensor:
        return self.length(x) + self.rows(x)


class Item(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * float(x.mean()) + int(x.sum().item())


class FromData(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tensor(x.sum().tolist())


class ThroughNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.from_numpy(np.sin(x.detach().numpy()))


@zoo(X, opaque=None)
class LeavesTorch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.data, self.numpy = Item(), FromData(), ThroughNumpy()

    def forward(self, x: Tensor) -> Tensor:
        return self.numpy(self.data(self.item(x)))


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * 3 * x


class OwnGradient(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Square.apply(x)


@zoo(X.clone().requires_grad_(), opaque=None)
class OwnGradients(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.square = OwnGradient()

    def forward(self, x: Tensor) -> Tensor:
        return self.square(self.linear(x))


GLOBAL = {"calls": 0}


class ChangesAGlobal(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        GLOBAL["x"] = x
        return x + 1


@zoo(X, opaque=None)
class Globals(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = ChangesAGlobal()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.a(x))


class Tries(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        try:
            if x.sum() > 0:
                return x * 2
        except Exception:
            pass
        return x


@zoo(X, opaque=("inner",))
class Swallows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Tries()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.linear(x))


class Hooked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.linear.register_forward_hook(lambda module, args, output: output * 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        self.other = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.linear(x))


@zoo(X, opaque=("a", "b"))
class HooksAndNorms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Hooked(), Normed()
        self.c = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)))


@zoo(X, opaque=None)
class WritesToParameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        self.linear.weight.data.clamp_(-0.1, 0.1)
        return self.linear(x)


@zoo(X, opaque=None)
class FunctionalWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.stats = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.linear(x, self.linear.weight * 2, self.linear.bias)
        return nn.functional.batch_norm(
            y, self.stats.running_mean, self.stats.running_var, self.stats.weight, self.stats.bias, self.training, 0.1
        )


def default(value: Any, other: Any) -> Any:
    if value is not None:
        return value
    return other() if callable(other) else other


@zoo(X)
class Defaults(Base):
    """What is asked whether it can be called is no tensor."""

    def forward(self, x: Tensor) -> Any:
        return self.lin(x) * default(None, lambda: x.new_ones(())) + default(None, 2)


@zoo(X)
class SetsWhatItHolds(Base):
    def __init__(self) -> None:
        super().__init__()
        self.mask: Tensor | None = None
        self.scale = 2

    def forward(self, x: Tensor) -> Any:
        self.mask = self.mask.to(x) if self.mask is not None else None
        self.scale = 2
        return self.lin(x) * self.scale


@zoo(X, opaque=("the",))
class SetsAnotherKind(Base):
    def __init__(self) -> None:
        super().__init__()
        self.scale = 2

    def forward(self, x: Tensor) -> Any:
        self.scale = 2.0
        return self.lin(x) * self.scale


@zoo(X)
class RaisesWithAText(Base):
    """It reckons before it raises."""

    def forward(self, x: Tensor) -> Any:
        height, width = x.shape
        if height % 2 != 0 or width % 3 != 0:
            wanted = (height // 2 + 1) * 2 if height % 2 != 0 else height
            raise RuntimeError(f"give {wanted} rows")
        return self.lin(x)


@zoo(X, opaque=("the",))
class MayRaise(Base):
    def forward(self, x: Tensor) -> Any:
        if x.shape[0] % 2 == 0:
            if x.shape[1] > 9:
                raise RuntimeError("too wide")
            return self.lin(x)
        return x
