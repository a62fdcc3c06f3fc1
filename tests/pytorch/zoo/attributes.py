"""Parameters, buffers and plain attributes that opened modules own."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from tests.pytorch.zoo.case import X, Zoo

zoo = Zoo()
SEQUENCE = torch.linspace(-1, 1, 48).reshape(2, 6, 4)


@zoo(X)
class Owned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))
        self.shift = nn.Parameter(torch.zeros(6), requires_grad=False)
        self.temperature = nn.Parameter(torch.tensor(0.5))
        self.wide = nn.Parameter(torch.full((6,), 0.5, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, True]))
        self.register_buffer("hidden", torch.linspace(0, 1, 6), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("missing", None)
        self.plain = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    def forward(self, x: Tensor) -> Any:
        y = x * self.scale + self.shift + self.hidden * self.temperature + self.plain
        return y.double() * self.wide, y[:, self.mask], self.count + 1, self.missing


@zoo(X)
class Values(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sizes = (3, 3)
        self.names = ["a", "b"]
        self.table = {"a": 1, "b": 2.5}
        self.n = 2
        self.flag = True
        self.text = "relu"
        self.none = None
        self.ratio = math.pi

    def forward(self, x: Tensor) -> Any:
        parts = x.split(self.sizes, dim=1)
        total = parts[0] * self.table[self.names[0]] + parts[1] * self.table["b"]
        if self.flag and self.text == "relu" and self.none is None:
            total = total.relu()
        return total * self.n, self.sizes, self.ratio


@zoo(SEQUENCE)
class Positions(nn.Module):
    """A table of sines, as in most tutorials."""

    def __init__(self, width: int = 4, length: int = 40) -> None:
        super().__init__()
        table = torch.zeros(length, width)
        position = torch.arange(0, length, dtype=torch.float).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10000.0) / width))
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table.unsqueeze(0))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x + self.table[:, : x.size(1)])


@zoo(SEQUENCE)
class Causal(nn.Module):
    def __init__(self, length: int = 16) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.register_buffer("mask", torch.tril(torch.ones(length, length)).view(1, length, length))

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(1)
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :n, :n] == 0, float("-inf"))
        return scores.softmax(-1) @ v


@zoo(torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(0)))
class Relative(nn.Module):
    """Relative position bias of windows: an index built by steps in place."""

    def __init__(self, size: int = 3, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.table = nn.Parameter(torch.zeros((2 * size - 1) ** 2, heads))
        coords = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
        flat = torch.flatten(coords, 1)
        relative = flat[:, :, None] - flat[:, None, :]
        relative = relative.permute(1, 2, 0).contiguous()
        relative[:, :, 0] += size - 1
        relative[:, :, 1] += size - 1
        relative[:, :, 0] *= 2 * size - 1
        self.register_buffer("index", relative.sum(-1))
        self.qkv = nn.Linear(4, 12)
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index.view(-1)].view(n, n, -1).permute(2, 0, 1)
        attention = (q @ k.transpose(-2, -1) + bias.unsqueeze(0)).softmax(-1)
        return (attention @ v).transpose(1, 2).reshape(b, n, c)


@zoo(SEQUENCE)
class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.positions = nn.Parameter(torch.randn(1, 7, 4) * 0.02)
        self.inverse = nn.Parameter(1 / torch.sqrt(torch.arange(1, 5).float()))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        token = self.token.expand(x.shape[0], -1, -1)
        x = torch.cat((token, x), dim=1) + self.positions
        return self.head(x[:, 0] * self.inverse)


@zoo(X, opaque=None)
class ComplexValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rotation", torch.polar(torch.ones(3), torch.arange(3).float()))

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.reshape(2, 3, 2))
        return torch.view_as_real(pairs * self.rotation).flatten(1)


@zoo(X)
class FromNumbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.25], [3.0, 1e-7]]))
        self.extra = nn.Parameter(torch.empty(3).uniform_(-1, 1))
        self.other = nn.Parameter(torch.rand(2, 6))
        nn.init.xavier_uniform_(self.other, gain=nn.init.calculate_gain("relu"))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.other.t() @ self.weight + self.extra.sum()


@zoo(SEQUENCE)
class LayerScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(1e-6 * torch.ones(4))
        self.alpha = nn.Parameter(torch.tensor([0.1]).repeat(4))
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.linear(x) * self.alpha


class Pooled(nn.Module):
    """Two values of one argument, and an attribute of its name that holds a third."""

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.sizes = [padding]
        self.conv = nn.Conv1d(6, 6, 3, padding=padding)
        self.padding = 7

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool1d(self.conv(x), 3, stride=1, padding=self.sizes[0])


@zoo(torch.linspace(-1, 1, 108).reshape(2, 6, 9))
def named_as_an_argument() -> nn.Module:
    return nn.Sequential(Pooled(1), Pooled(0))


class Folded(nn.Conv1d):
    """A layer with a forward of its own, which passes on what the layer keeps as a tuple."""

    def __init__(self, padding: int) -> None:
        super().__init__(6, 6, 3, padding=padding)
        self.passed = {"padding": padding}

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv1d(x, self.weight, self.bias, **self.passed)


@zoo(torch.linspace(-1, 1, 108).reshape(2, 6, 9))
def named_as_in_the_layer() -> nn.Module:
    return nn.Sequential(Folded(1), Folded(0))


class Noisy(nn.Module):
    def __init__(self, drops: bool) -> None:
        super().__init__()
        self.options = {"drops": drops}

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.5, training=self.options["drops"])


@zoo(X)
def named_as_in_every_module() -> nn.Module:
    return nn.Sequential(Noisy(True), Noisy(False))


class Told(nn.Module):
    """Kept whole, and given a size."""

    def __init__(self, size: torch.Size) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Any:
        print(end="")
        return x, self.size


@zoo(X, opaque=("told",))
class Sizes(nn.Module):
    """A size is no tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.size = torch.zeros(2, 6).shape
        self.told = Told(torch.Size([2, 6]))

    def forward(self, x: Tensor) -> Any:
        return self.told(x.reshape(self.size)), self.size, {"size": [self.size]}
