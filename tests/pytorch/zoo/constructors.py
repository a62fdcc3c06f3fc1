"""What constructors do beside making layers: the fresh weights are bitwise the original's."""

# ruff: noqa: B018
# Written as people write, which is what is tested.
from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.init import trunc_normal_

import raynas
from tests.pytorch.zoo.case import X, Zoo
from tests.pytorch.zoo.structure import Block

zoo = Zoo()
IMAGE = torch.linspace(-1, 1, 96).reshape(1, 3, 8, 4)


class ConvBlock(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))


@zoo(IMAGE)
class LoopsOverModules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(ConvBlock(3, 4), ConvBlock(4, 4))
        self.head = nn.Linear(4, 2)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            elif isinstance(m, nn.Linear):
                trunc_normal_(m.weight, std=0.02)
        for m in self.modules():
            if isinstance(m, ConvBlock):
                nn.init.zeros_(m.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean((2, 3)))


@zoo(IMAGE)
class Applies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = ConvBlock(3, 4), ConvBlock(4, 3)
        self.apply(self._init)

    @staticmethod
    def _init(m: nn.Module) -> None:
        if isinstance(m, nn.Conv2d):
            n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
            m.weight.data.normal_(0, math.sqrt(2.0 / n))
            if m.bias is not None:
                m.bias.data.zero_()
        elif isinstance(m, nn.BatchNorm2d):
            m.weight.data.fill_(1)
            m.bias.data.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


@zoo(X)
class InterleavedDraws(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        nn.init.normal_(self.a.weight, 0.1, 0.02)
        self.p = nn.Parameter(torch.randn(6))
        self.b = nn.Linear(6, 6)
        nn.init.orthogonal_(self.b.weight)
        torch.manual_seed
        self.a.reset_parameters()
        self.c = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x) * self.p))


@zoo(X)
class InPlaceOnParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 5)
        for name, p in self.lstm.named_parameters():
            if "bias" in name:
                n = p.size(0)
                p.data[n // 4 : n // 2].fill_(1.0)
            elif "weight_hh" in name:
                nn.init.orthogonal_(p)
        self.linear = nn.Linear(5, 3)
        with torch.no_grad():
            self.linear.weight[0] = 0.5
            self.linear.weight[:, 1] *= 2
            self.linear.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
            self.linear.weight.mul_(0.1).clamp_(-0.3, 0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.lstm(x)[0])


@zoo(IMAGE)
class ChangedAttributes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = ConvBlock(3, 4)
        self.dropout = nn.Dropout(0.5)
        self.block.conv1.stride = (2, 2)
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.momentum = 0.2
                m.eps = 1e-3
        self.dropout.p = 0.1
        self.block.bn1.track_running_stats = False

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.block(x))


@zoo(IMAGE)
class Frozen(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvBlock(3, 4)
        self.rest = ConvBlock(4, 4)
        self.scale = nn.Parameter(torch.ones(1))
        self.stem.requires_grad_(False)
        self.rest.bn1.weight.requires_grad = False
        self.scale.requires_grad_(False)
        self.stem.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.stem(x)) * self.scale


@zoo(X.double())
def Doubled() -> nn.Module:
    return nn.Sequential(Block(6), nn.Linear(6, 3)).double()


@zoo(X)
class PartlyHalf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6).to(torch.bfloat16)
        self.c = Block(6).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x).to(torch.bfloat16)).double())


@zoo(X)
class ReplacedWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.a.weight = nn.Parameter(torch.randn(6, 6) * 0.01)
        self.b = nn.Linear(6, 6)
        self.b.bias = None
        self.c = nn.Linear(6, 6)
        self.c.weight.data = torch.eye(6)
        self.d = nn.Linear(6, 6)
        self.d.weight.data = self.c.weight.data.clone() + self.a.weight.data

    def forward(self, x: Tensor) -> Tensor:
        return self.d(self.c(self.b(self.a(x))))


@zoo(X)
class Dropped(nn.Module):
    """Makes layers that it does not keep: they take random numbers all the same."""

    def __init__(self) -> None:
        super().__init__()
        nn.Linear(6, 6)
        self.head = nn.Linear(6, 9)
        nn.init.xavier_normal_(self.head.weight)
        torch.rand(3)
        self.head = nn.Linear(6, 2)
        Block(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)


@zoo(X)
class CopiedAndChanged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.online = nn.Sequential(Block(6), nn.Linear(6, 4))
        nn.init.normal_(self.online[1].weight)
        self.target = copy.deepcopy(self.online)
        for p in self.target.parameters():
            p.requires_grad_(False)
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        return self.last(self.online(x)), self.target(x)


@zoo(X)
class CopiedBetweenParameters(nn.Module):
    """What it copies is made before a parameter, which torch keeps in another list than modules."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.again = self.layer
        self.copied = copy.deepcopy(self.layer)
        self.scale = nn.Parameter(torch.randn(6))
        self.last = nn.Linear(6, 6)
        self.shift = nn.Parameter(torch.randn(6))
        self.register_buffer("offset", torch.randn(6))
        self.parts = nn.ModuleList([nn.Linear(6, 6), copy.deepcopy(self.last)])
        self.layer.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x) + self.offset
        return self.last(self.copied(self.layer(self.again(x))) * self.scale) + self.shift


@zoo(IMAGE)
class DryRun(nn.Module):
    """Runs itself once to find a size."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
        with torch.no_grad():
            size = self.features(torch.zeros(1, 3, 8, 4)).numel()
        self.head = nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


@zoo(X)
class InheritedInit(Block):
    def __init__(self) -> None:
        super().__init__(6)
        self.extra = nn.Linear(6, 6)
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.uniform_(self.linear.weight, -0.1, 0.1)
        nn.init.uniform_(self.extra.weight, a=-0.2, b=0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.extra(super().forward(x))


@zoo(X)
class CopiesState(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)
        self.b.load_state_dict(self.a.state_dict())
        self.c = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)))


@zoo(X)
class OutOfOrder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        second = nn.Linear(6, 6)
        first = nn.Linear(6, 6)
        third = Block(6)
        self.first, self.second = first, second
        self.wrapped = nn.Sequential(nn.Linear(6, 6), third)

    def forward(self, x: Tensor) -> Tensor:
        return self.wrapped(self.second(self.first(x)))


@zoo(X)
class Entangled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        left, right = [], []
        for _ in range(2):
            left.append(nn.Linear(6, 6))
            right.append(nn.Linear(6, 6))
        self.left, self.right = nn.Sequential(*left), nn.Sequential(*right)

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) + self.right(x)


@zoo(X)
class LazyBias(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        prior = 0.01
        nn.init.constant_(self.linear.bias, -math.log((1 - prior) / prior))
        self.norm = nn.LayerNorm(6, elementwise_affine=False)
        self.weights = nn.ParameterList([nn.Parameter(torch.empty(6)) for _ in range(2)])
        for p in self.weights:
            nn.init.normal_(p)
        bound = 1 / math.sqrt(6)
        self.free = nn.Parameter(torch.empty(6, 2))
        nn.init.uniform_(self.free, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for p in self.weights:
            x = x * p
        return self.norm(self.linear(x)) @ self.free


@zoo(X, opaque=None)
class Seeded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        generator = torch.Generator().manual_seed(3)
        self.register_buffer("features", torch.randn(6, 100, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) @ self.features


class Kind(Enum):
    TANH = "tanh"
    RELU = "relu"


@dataclass
class Part:
    width: int
    kind: Kind = Kind.RELU
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plan:
    parts: tuple[Part, ...]
    norm: Callable[[int], nn.Module] = nn.LayerNorm
    more: dict[str, Part] = field(default_factory=dict)


class Planned(nn.Module):
    """Decides by a value, so that it is kept whole, and with it the records that it was made of."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, part.width) for part in plan.parts)
        self.norm = plan.norm(6)
        self.kinds = [part.kind.value for part in plan.parts]

    def forward(self, x: Tensor) -> Tensor:
        for layer, kind in zip(self.layers, self.kinds, strict=True):
            x = getattr(torch, kind)(layer(x))
        return self.norm(x) if x.sum() > -1e9 else x


@zoo(X, opaque=("0",))
def records_among_arguments() -> nn.Module:
    plan = Plan((Part(6, Kind.TANH), Part(6, rates=(0.1,))), partial(nn.LayerNorm, eps=1e-3), more={"last": Part(3)})
    return nn.Sequential(Planned(plan), nn.Linear(6, 2))


@zoo(X)
class NumbersOfNumPy(nn.Module):
    """Sinusoids, as people compute them: with NumPy's numbers."""

    def __init__(self) -> None:
        super().__init__()
        scales = torch.exp(-(np.log(10000) / (np.int64(3) - 1)) * torch.arange(3))
        times = torch.arange(2)[:, None] * scales[None]
        self.register_buffer("table", torch.cat([times.sin(), times.cos()], dim=1) * np.float32(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table


class Fields(nn.Module):
    """Shifts by what a short array of NumPy's holds, and picks what another one names."""

    def __init__(self, picked: Any) -> None:
        super().__init__()
        self.offsets = np.array((0, *np.cumsum([3, 2])), dtype=np.int64)
        self.scales = np.array([0.5, 2.0])
        self.picked = picked
        self.table = nn.Embedding(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        places = (x[:, self.picked].abs() * 2).long() + x.new_tensor(self.offsets).long()
        return self.table(places).sum(1) * x.new_tensor(self.scales).double().prod()


class DecidesByFields(Fields):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > -1e9 else x


@zoo(X, opaque=("1",))
def short_arrays() -> nn.Module:
    class Both(nn.ModuleList):
        def forward(self, x: Tensor) -> Tensor:
            return self[0](x) + self[1](x)

    return Both([Fields(np.array([0, 2, 4])), DecidesByFields(np.array([1, 2, 3]))])


class Options:
    """Keeps what it is passed, and computes the rest."""

    scale = 2

    def __init__(self, width: int, **more: Any) -> None:
        self.width = width
        self.double = width * self.scale
        self.__dict__.update(more)


class Attributes(dict[str, Any]):
    """A dict whose items are its attributes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__ = self


class Sizes(NamedTuple):
    width: int
    double: int = 12


@dataclass
class Computed:
    width: int
    double: int | None = None

    def __post_init__(self) -> None:
        self.double = self.double or self.width * 2
        self.half = self.width // 2


class Hidden:
    """Keeps a value under another name, and gives it as a property that can be set."""

    def __init__(self, width: int, **more: Any) -> None:
        self.width = width
        self._double: int = 0
        for name, value in more.items():
            setattr(self, name, value)

    @property
    def double(self) -> int:
        return self._double

    @double.setter
    def double(self, value: int) -> None:
        self._double = value


class Configured(nn.Module):
    """Decides by a value, so that it is kept whole, and with it the configuration that it was made of."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.width, config.double)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[:, : self.config.width] if x.sum() > -1e9 else x


@zoo(X, opaque=tuple("012345678"))
def configurations() -> nn.Module:
    spaces = SimpleNamespace(width=6, double=12, more=[SimpleNamespace(rates={"a": (0.1, None)})])
    parsed = argparse.Namespace(width=6, double=12)
    changed = Options(3, name="deep")
    changed.width, changed.double = 6, 12
    recorded = raynas.serialize(Options, 6)
    hidden = Hidden(6)
    hidden.double = 12
    records = [spaces, parsed, Options(6), changed, Attributes(width=6, double=12), Sizes(6), Computed(6), recorded]
    records.append(hidden)
    return nn.Sequential(*map(Configured, records))


class Collects(nn.Module):
    """Decides by a value and fills a list; what it was made of stays as it is."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for _ in range(self.config.width if x.sum() > -1e9 else 1):
            found.append(self.layer(x))
        return torch.stack(found).mean(0)


class CountsIn(Collects):
    """Changes the configuration that others read, too."""

    def forward(self, x: Tensor) -> Tensor:
        config = self.config
        config.double += 1
        return super().forward(x) * config.double


class SharesAConfiguration(nn.Module):
    def __init__(self, part: type[Collects]) -> None:
        super().__init__()
        self.config = Computed(6, 1)
        self.parts = nn.ModuleList([part(self.config), part(self.config)])
        self.last = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return self.last(x)


@zoo(X, opaque=("parts.0", "parts.1"))
def shares_a_configuration() -> nn.Module:
    return SharesAConfiguration(Collects)


@zoo(X, opaque=("the",))
def changes_a_configuration() -> nn.Module:
    return SharesAConfiguration(CountsIn)


class Column:
    """Prints when it is made; a forward only asks whether something is one."""

    def __init__(self, name: str) -> None:
        print(end="")
        self.name = name


class Sums(nn.Module):
    """Reads a table that its model reads, too, and decides by a value, so that it is kept whole."""

    def __init__(self, table: dict[str, tuple[int, int]]) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        for first, last in self.table.values():
            parts.append(x[:, first:last].sum(1) if x.sum() > -1e9 else x[:, 0])
        return torch.stack(parts, 1)


class Fills(Sums):
    """Writes into it."""

    def forward(self, x: Tensor) -> Tensor:
        self.table["more"] = (0, 1)
        return super().forward(x)


class Tabled(nn.Module):
    def __init__(self, part: type[Sums]) -> None:
        super().__init__()
        self.table = {"first": (0, 2), "second": (2, 6)}
        self.kinds = [Column("first"), "second"]
        self.sums = part(self.table)
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        columns = [kind for kind in self.kinds if isinstance(kind, Column)]
        first, last = self.table[columns[0].name]
        return self.linear(x)[:, first:last] + self.sums(x)[:, :1]


@zoo(X, opaque=("sums",))
def shares_a_table() -> nn.Module:
    return Tabled(Sums)


@zoo(X, opaque=("the",))
def fills_a_table() -> nn.Module:
    return Tabled(Fills)


@zoo(X)
class TriesAnotherWay(nn.Module):
    """Catches what a constructor raises, and makes something else."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        try:
            self.pool = nn.AvgPool1d(channels=6, stride=1)  # type: ignore[call-arg]  # that is the point
        except TypeError:
            self.pool = nn.AvgPool1d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.layer(x))
