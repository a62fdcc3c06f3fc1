"""Models whose forward takes other steps while they train."""

# ruff: noqa: SIM102, SIM108, SIM210
# Written as people write, which is what is tested.
from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.zoo.case import Base, X, Y, Zoo

IMG = torch.linspace(-1, 1, 2 * 3 * 6 * 6).reshape(2, 3, 6, 6)
IMG2 = torch.linspace(-2, 1, 3 * 3 * 4 * 4).reshape(3, 3, 4, 4)
zoo = Zoo((X,), (Y,))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)


def drop_path(x: Tensor, p: float = 0.0, training: bool = False, scale: bool = True) -> Tensor:
    if p == 0.0 or not training:
        return x
    keep = 1 - p
    mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
    if keep > 0.0 and scale:
        mask.div_(keep)
    return x * mask


class DropPath(nn.Module):
    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(x, self.p, self.training)


@zoo()
class DropPaths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))
        self.paths = nn.ModuleList(DropPath(p) for p in (0.0, 0.25, 0.5))

    def forward(self, x: Tensor) -> Tensor:
        for layer, path in zip(self.layers, self.paths, strict=True):
            x = x + path(torch.relu(layer(x)))
        return x


@zoo()
class DropPathInline(Two):
    def forward(self, x: Tensor) -> Tensor:
        x = x + drop_path(self.a(x), 0.3, self.training)
        return x + drop_path(self.b(x), 0.6, training=self.training, scale=False)


@zoo()
class RowMode(Base):
    """torchvision's StochasticDepth."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.lin(x)
        if not self.training:
            return y
        noise = torch.empty([y.shape[0]] + [1] * (y.ndim - 1), dtype=y.dtype, device=y.device)
        noise = noise.bernoulli_(0.5)
        noise.div_(0.5)
        return y * noise


@zoo()
class EarlyOut(Two):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if not self.training:
            return x
        return F.dropout(self.b(x), 0.4)


@zoo()
class OnlyInTraining(Two):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.training:
            x = x + torch.randn_like(x)
        return self.b(x)


@zoo()
class OnlyInEval(Two):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if not self.training:
            x = torch.tanh(x)
            x = x * 2
        return self.b(x).relu()


@zoo()
class BothDiffer(Two):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            y = self.a(x)
            y = y.relu()
            z = y * 2
        else:
            z = self.b(x) - 1
        return z + x


@zoo()
class AuxHeadInTraining(Two):
    def forward(self, x: Tensor) -> Any:
        if self.training:
            aux = self.b(x).mean(1)
        x = self.a(x)
        if self.training:
            return x, aux
        return x


@zoo()
class AuxOrNone(Two):
    def forward(self, x: Tensor) -> Any:
        aux = None
        if self.training:
            aux = self.b(x)
        return self.a(x), aux


@zoo()
class DictInTraining(Two):
    def forward(self, x: Tensor) -> Any:
        out = OrderedDict()
        out["out"] = self.a(x)
        if self.training:
            out["aux"] = self.b(x)
        return out


@zoo()
class ListGrows(Two):
    def forward(self, x: Tensor) -> Any:
        found = [self.a(x)]
        if self.training:
            found.append(self.b(x))
            found.append(x)
        return found


class Both(NamedTuple):
    logits: Any
    aux: Any


@zoo()
class NamedTupleInTraining(Two):
    def forward(self, x: Tensor) -> Any:
        if self.training:
            return Both(self.a(x), self.b(x))
        return self.a(x)


@dataclass
class Outputs:
    logits: Any
    aux: Any = None


@zoo()
class DataclassInTraining(Two):
    def forward(self, x: Tensor) -> Any:
        if self.training:
            return Outputs(self.a(x), self.b(x))
        return Outputs(self.a(x))


@zoo(IMG, others=((IMG2,),))
def googlenet() -> nn.Module:
    return GoogLeNet()


class ConvBN(nn.Module):
    def __init__(self, i: int, o: int, k: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(i, o, k, padding=k // 2, bias=False)
        self.bn = nn.BatchNorm2d(o, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class AuxHead(nn.Module):
    def __init__(self, i: int) -> None:
        super().__init__()
        self.conv = ConvBN(i, 4)
        self.fc = nn.Linear(4, 2)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.flatten(F.adaptive_avg_pool2d(self.conv(x), (1, 1)), 1)
        return self.fc(self.dropout(x))


class Inception(nn.Module):
    def __init__(self, i: int) -> None:
        super().__init__()
        self.b1 = ConvBN(i, 2)
        self.b2 = nn.Sequential(ConvBN(i, 2), ConvBN(2, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b1(x), self.b2(x)], 1)


class GoogLeNet(nn.Module):
    def __init__(self, aux_logits: bool = True) -> None:
        super().__init__()
        self.aux_logits = aux_logits
        self.conv = ConvBN(3, 4, 3)
        self.i1, self.i2, self.i3 = Inception(4), Inception(6), Inception(6)
        self.aux1: Any = None
        self.aux2: Any = None
        if aux_logits:
            self.aux1, self.aux2 = AuxHead(6), AuxHead(6)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(6, 2)

    def _forward(self, x: Tensor) -> Any:
        x = self.i1(self.conv(x))
        aux1 = None
        if self.aux1 is not None:
            if self.training:
                aux1 = self.aux1(x)
        x = self.i2(x)
        aux2 = None
        if self.aux2 is not None:
            if self.training:
                aux2 = self.aux2(x)
        x = torch.flatten(F.adaptive_avg_pool2d(self.i3(x), 1), 1)
        return self.fc(self.dropout(x)), aux2, aux1

    def eager_outputs(self, x: Tensor, aux2: Any, aux1: Any) -> Any:
        if self.training and self.aux_logits:
            return x, aux2, aux1
        return x

    def forward(self, x: Tensor) -> Any:
        x, aux2, aux1 = self._forward(x)
        defined = self.training and self.aux_logits
        if torch.jit.is_scripting():
            return x, aux2, aux1 if defined else None
        return self.eager_outputs(x, aux2, aux1)


@zoo(IMG, others=((IMG2,),))
class BatchNormAct(nn.BatchNorm2d):
    """timm's BatchNormAct2d."""

    def __init__(self) -> None:
        super().__init__(3, momentum=0.2)
        self.drop = nn.Identity()
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats:
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
                if self.momentum is None:
                    factor = 1.0 / float(self.num_batches_tracked)
                else:
                    factor = self.momentum
        if self.training:
            train_now = True
        else:
            train_now = (self.running_mean is None) and (self.running_var is None)
        x = F.batch_norm(
            x,
            self.running_mean if not self.training or self.track_running_stats else None,
            self.running_var if not self.training or self.track_running_stats else None,
            self.weight,
            self.bias,
            train_now,
            factor,
            self.eps,
        )
        return self.act(self.drop(x))


@zoo(IMG, others=((IMG2,),))
class Cumulative(nn.Module):
    """Statistics of its own, in buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("count", torch.tensor(0), persistent=False)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean = x.mean((0, 2, 3))
            with_rate = self.mean.mul_(0.9).add_(0.1 * mean.detach())
            self.count.add_(1)
            mean = mean + 0 * with_rate
        else:
            mean = self.mean
        return (x - mean[:, None, None]) * self.scale[:, None, None]


@zoo()
class InPlaceInOne(Base):
    def forward(self, x: Tensor) -> Tensor:
        y = self.lin(x)
        if self.training:
            y += 1
            y.mul_(2)
        return y * y


@zoo()
class InPlaceSeenOutside(Base):
    """The input is changed while it trains, and what was read of it before shows that."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        row = x[0]
        if self.training:
            x.add_(1)
        else:
            x[1] = 0.5
        return self.lin(x) + row


@zoo()
class ChangedTwice(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.training:
            y = self.a(y)
        y = torch.tanh(y)
        if self.training:
            y = self.b(y)
        y = y + x
        if not self.training:
            y = self.a(y)
        return y


@zoo()
class Swapped(Two):
    def forward(self, x: Tensor) -> Any:
        p, q = self.a(x), self.b(x)
        if self.training:
            p, q = q, p
        return p - 2 * q, q


@zoo()
class Rotated(Two):
    def forward(self, x: Tensor) -> Any:
        p, q, r = self.a(x), self.b(x), x
        if self.training:
            p, q, r = q, r, p
        else:
            q, r = r + 1, q
        return p + 2 * q + 3 * r


@zoo()
class InALoop(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, x: Tensor) -> Any:
        found = []
        for i, layer in enumerate(self.layers):
            if self.training and i % 2:
                continue
            x = layer(x)
            if self.training:
                found.append(x)
        return torch.stack(found).sum(0) + x if found else x


@zoo()
class LayerDrop(nn.Module):
    """Layers that are left out at random: torch's random numbers decide."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = layer(x)
            if self.training:
                x = torch.where(torch.rand([]) < 0.5, x, y)
            else:
                x = y
        return x


class Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self.norm(x) + torch.rand(1)
        return x


@zoo()
class TwiceCalled(Base):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.lin(self.gate(x)))


@zoo()
class NestedModes(Two):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Gate()
        self.bn = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Any:
        x = self.a(x)
        if self.training:
            x = self.inner(x)
            if self.bn.training:
                x = self.bn(x) + 1
            else:
                x = self.b(x)
        elif self.bn.training:
            x = x * 3
        return x


@zoo()
class OfAChild(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(6)
        self.lin = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        if self.bn.training and self.training:
            return self.lin(self.bn(x))
        if self.bn.training or self.training:
            return self.lin(x)
        return self.bn(x)


@zoo()
class FrozenPart(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.gate.eval()
        self.other = Gate()

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.gate(x))


class Scaled(Base):
    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        if training:
            return self.lin(x) * 2 + torch.rand(1)
        return self.lin(x)


@zoo()
class PassesTheFlag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scaled = Scaled()

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(x, self.training) + self.scaled(x, training=self.training)


@zoo()
class PassesADecision(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scaled = Scaled()

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(x, True if self.training else False)


@zoo()
class SameChildOtherArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = Scaled()

    def forward(self, x: Tensor) -> Any:
        if self.training:
            return self.head(x, True), self.head(x)
        return self.head(x)


@zoo()
class AsAValue(Two):
    def forward(self, x: Tensor) -> Tensor:
        on = self.training
        y = self.a(x) if on else self.b(x)
        return F.dropout(y, 0.5, training=on) + F.dropout(x, 0.1 if on else 0.0, on)


@zoo()
class AsANumber(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x) * self.training + 1
        if self.training:
            y = self.b(y) * (2 - self.training)
        return y


@zoo()
class AsAnIndex(Two):
    def forward(self, x: Tensor) -> Tensor:
        return [self.a, self.b][self.training](x) * int(self.training) + bool(self.training)


@zoo()
class Compared(Two):
    def forward(self, x: Tensor) -> Tensor:
        if self.training == True:  # noqa: E712
            x = self.a(x)
        if self.training != self.b.training:
            x = x + 1
        return {True: self.a, False: self.b}[self.training](x)


@zoo()
class TwoNumbersAndAStep(Two):
    def forward(self, x: Tensor) -> Tensor:
        rate, mode = (0.3, "nearest") if self.training else (0.0, "linear")
        x = F.interpolate(self.a(x)[None], scale_factor=2, mode=mode)[0]
        if self.training:
            x = x + 1
        return F.dropout(x, rate, training=True)


@zoo()
class Temperature(Two):
    def forward(self, x: Tensor) -> Tensor:
        logits = self.a(x)
        if self.training:
            return F.gumbel_softmax(logits, tau=0.7, hard=True)
        index = logits.max(-1, keepdim=True)[1]
        return torch.zeros_like(logits).scatter_(-1, index, 1.0)


@zoo()
class Reparameterised(Two):
    def forward(self, x: Tensor) -> Any:
        mean, log = self.a(x), self.b(x)
        if self.training:
            std = torch.exp(0.5 * log)
            z = mean + torch.randn_like(std) * std
        else:
            z = mean
        return z, mean, log


@zoo()
class SharesAName(Two):
    """The same variable means other things on the two ways."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            h = self.a(x)
            w = h.softmax(1)
        else:
            w = self.b(x)
            h = w.relu()
        return h * w + x


@zoo()
class OldValueLives(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        z = y
        if self.training:
            z = self.b(y)
            z = z * y
        y = y + 1
        return z + y + x


@zoo()
class UsedAfterBoth(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        if self.training:
            z = y.relu()
            t = z + x
        else:
            z = y.tanh()
            t = y
        return z * t + y.sum() + t


@zoo()
class Constants(Base):
    def forward(self, x: Tensor) -> Any:
        y = self.lin(x)
        return y, 1 if self.training else 2.0, None if self.training else "eval"


@zoo()
class EmptyBranch(Base):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            pass
        return self.lin(x)


@zoo()
class EqualBranches(Base):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            y = self.lin(x).relu()
        else:
            y = self.lin(x).relu()
        return y


@zoo()
class RandomInBoth(Base):
    def forward(self, x: Tensor) -> Tensor:
        a = torch.rand(1)
        if self.training:
            b = torch.rand(2, 1)[:1]
            x = x + b
        else:
            x = x + torch.randn(1)
        return self.lin(x) + torch.rand(1) + a


@zoo()
class NeverInTraining(Two):
    """A child that is called in one mode only, and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Linear(3, 3)
        self.late = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.late(x)
        return self.a(x)


@zoo()
class SharedModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.ModuleList([Gate()] * 2)
        self.end = self.gates[0]

    def forward(self, x: Tensor) -> Tensor:
        for gate in self.gates:
            x = gate(x) + 1
        return self.end(x) if self.training else x


class TupleInTraining(Two):
    def forward(self, x: Tensor) -> Any:
        if self.training:
            return self.a(x), self.b(x)
        return self.a(x), None


@zoo(opaque=None)
class ReturnsNoneBelow(nn.Module):
    """Asks of a child's result what only the run knows."""

    def __init__(self) -> None:
        super().__init__()
        self.child = TupleInTraining()

    def forward(self, x: Tensor) -> Any:
        y, aux = self.child(x)
        if aux is not None:
            y = y + aux
        return y


@zoo()
class PassesThrough(nn.Module):
    """Gives on what a child returns, whatever that is."""

    def __init__(self) -> None:
        super().__init__()
        self.child = AuxHeadInTraining()

    def forward(self, x: Tensor) -> Any:
        return self.child(x)


@zoo(opaque=None)
class Unpacks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.child = AuxHeadInTraining()

    def forward(self, x: Tensor) -> Any:
        if self.training:
            x, aux = self.child(x)
            return x + aux[:, None]
        return self.child(x)


@zoo(opaque=None)
class DecidesByData(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        if self.training and y.sum() > 0:
            y = self.b(y)
        return y


@zoo(opaque=None)
class ChangesItself(Base):
    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        return self.lin(x) * self.steps


@zoo(opaque=None)
class DrawsFromPython(Base):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x * float(torch.rand(1))
        return self.lin(x)


class Asks(nn.Module):
    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.BatchNorm1d(6) for _ in range(parts))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            if part.training:
                x = part(x) + 1
        return x


@zoo()
def eight_ways() -> nn.Module:
    return Asks(3)


@zoo(opaque=("the",))
def too_many_ways() -> nn.Module:
    return Asks(4)


@zoo()
class Assigns(Two):
    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        if self.training:
            y[:, 0] = 1.0
            y[:, 1:3] = x[:, :2]
        else:
            y[0] = 0.0
        return self.b(y)


@zoo()
class Views(Two):
    """A view that one way writes through."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x) * 1
        v = y[:, :3]
        if self.training:
            v.mul_(2)
        else:
            v = v * 3
        return y.sum(1) + v.sum(1)


@zoo()
class ShapesDiffer(Two):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = torch.cat([x, x.flip(0)])
        y = self.a(x)
        return y[: y.size(0) // 2] if self.training else y


@zoo()
class Parameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6, 6))
        self.scale = nn.Parameter(torch.full((6,), 2.0))
        self.noise = nn.Parameter(torch.full((6,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if self.training:
            weight = weight + torch.randn_like(self.weight) * self.noise + self.noise * self.scale
        return F.linear(x, weight, self.scale)


@zoo()
class ChecksFirst(Two):
    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 2, "rows"
        if self.training:
            assert x.size(0) > 1, "more than one"
            x = x - x.mean(0)
        return self.a(x)


@zoo()
class Recursive(nn.Module):
    """A branch in a module in a branch in a module."""

    def __init__(self, depth: int = 3) -> None:
        super().__init__()
        self.lin = nn.Linear(6, 6)
        self.below = Recursive(depth - 1) if depth else None

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = self.lin(x)
        if self.below is not None:
            x = self.below(x) if self.training else self.below(x) * math.pi
        return x


@zoo()
class Generated(Two):
    def forward(self, x: Tensor) -> Tensor:
        parts = [f(x) for f in ([self.a, self.b] if self.training else [self.a])]
        return sum(parts[1:], parts[0])


@zoo()
class Checkpoints(Two):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return torch.utils.checkpoint.checkpoint(self.a, x, use_reentrant=False)
        return self.a(x)


@zoo()
class Method(Two):
    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.b(x) - y).square().mean()

    def forward(self, x: Tensor) -> Any:
        y = self.a(x)
        out = {"y": y}
        if self.training:
            out["loss"] = self.loss(x, y.detach())
        return out


@zoo()
class Lambda(Two):
    def __init__(self) -> None:
        super().__init__()
        self.pick = lambda training, x, y: x if training else y

    def forward(self, x: Tensor) -> Tensor:
        return self.pick(self.training, self.a(x), self.b(x))


@zoo(None, X, opaque=None, others=((None, Y),))
class OptionalWhileTraining(Two):
    """What is needed in one mode may be None in the other."""

    def forward(self, x: Any, y: Tensor) -> Tensor:
        if self.training:
            return self.a(y)
        return self.b(y if x is None else x)
