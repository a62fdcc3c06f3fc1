"""How modules stand in modules."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.pytorch.zoo.case import X, Zoo

zoo = Zoo()
IMAGE = torch.linspace(-1, 1, 96).reshape(1, 3, 8, 4)


class Block(nn.Module):
    def __init__(self, width: int, scale: float = 1.0) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.linear(x)) * self.scale


@zoo(X)
class NestedLists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.ModuleList([Block(6), Block(6, 0.5)]) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return x


@zoo(X)
class Loops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.b = nn.ModuleList([nn.LayerNorm(6) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        for i, (linear, norm) in enumerate(zip(self.a, self.b, strict=True)):
            x = norm(linear(x)) + i
        for i in range(len(self.a)):
            x = x + self.a[i](x) * self.b[-1].eps
        return self.a[-1](x) + sum(layer(x) for layer in self.a[:2])


@zoo(X)
class Dicts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({"one": nn.Linear(6, 6), "two": nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 6))})
        self.pick = "two"

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out = {name: layer(x) for name, layer in self.layers.items()}
        out["again"] = self.layers[self.pick](x)
        for layer in self.layers.values():
            x = layer(x)
        if "three" in self.layers:
            x = -x
        return {**out, "last": x}


@zoo(X)
class Slices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        y = self.body[0](x)
        y = self.body[1:3](y)
        for layer in self.body:
            y = layer(y)
        return y + self.body[-1](x) * len(self.body)


@zoo(X)
class PartsOfWhatIsGone(nn.Module):
    """Uses parts of a value after its name has come to mean another one, as dual path networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x[:, :2], x[:, 2:]
        rows = x.shape[0]
        x = self.a(x)
        x = self.b(x)
        y = torch.relu(x)
        first = y[0]
        y = torch.tanh(y)
        return torch.cat([left + x[:, :2], right[:, :2], x[:, 4:]], 1) * rows + y + first


class Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Norm(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, width), nn.LayerNorm(width))
        self.out_channels = width


@zoo(X)
class Subclasses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = Residual(nn.Linear(6, 6), nn.ReLU())
        self.b = Norm(6)
        self.c = Norm(6)
        self.named = nn.Sequential(OrderedDict([("first", nn.Linear(6, 6)), ("second", Norm(6))]))

    def forward(self, x: Tensor) -> Tensor:
        return self.named(self.c(self.b(self.a(x))))


@zoo(X)
class SharedUnderOneName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(self.block(x))


@zoo(X)
class SharedUnderTwoNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = Block(6)
        self.other = nn.Sequential(nn.ReLU(), self.first, nn.Linear(6, 6))
        self.list = nn.ModuleList([self.first, self.other[2]])

    def forward(self, x: Tensor) -> Tensor:
        return self.list[1](self.list[0](self.other(self.first(x))))


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, factor: float = 1.0, skip: bool = False) -> Tensor:
        y = self.linear(x) * factor
        return y + x if skip else y


@zoo(X)
class CalledDifferently(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scaled = Scaled()

    def forward(self, x: Tensor) -> Tensor:
        return self.scaled(self.scaled(x), 2.0) + self.scaled(x, skip=True) + self.scaled(x, factor=0.5, skip=True)


@zoo(torch.tensor([[1, 2, 3]]))
class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embed(tokens))


class Decoder(nn.Module):
    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.bias = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@zoo(torch.tensor([[1, 2, 3]]))
class TiedAcross(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.decoder = Decoder(self.embed.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.decoder(self.embed(tokens))


@zoo(X)
class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.never = Block(6)
        self.used = nn.Linear(6, 2)
        self.also = nn.ModuleList([nn.Conv2d(3, 4, 1)])
        self.nothing = None

    def forward(self, x: Tensor, unused: Tensor | None = None) -> Tensor:
        return self.used(x)


@zoo(X)
class Copies(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = Block(6)
        self.layers = nn.ModuleList([copy.deepcopy(layer) for _ in range(3)])
        self.kept = nn.Linear(6, 6)
        self.copied = copy.deepcopy(self.kept)
        self.last = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.last(self.copied(self.kept(x)))


@zoo(IMAGE)
class PartialLayers(nn.Module):
    def __init__(self, norm: object = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01), act: object = nn.SiLU) -> None:
        super().__init__()
        conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)
        self.body = nn.Sequential(conv(3, 4), norm(4), act(inplace=True), conv(4, 4, stride=2), norm(4))  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


@zoo(X)
def Lambdas() -> nn.Module:
    make = lambda n: nn.Sequential(nn.Linear(n, n), nn.ReLU())  # noqa: E731  # what people write
    return nn.Sequential(make(6), make(6), Block(6))


@zoo(X)
class Identity(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


@zoo(X)
class Holder(nn.Module):
    """Children under names that are no identifiers, and a child called like a word of Python."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("0", nn.Linear(6, 6))
        self.add_module("class", nn.Linear(6, 6))
        self.add_module("torch", nn.Linear(6, 6))
        self.nn = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x


@zoo(X)
class Reassigned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 9)
        self.tail = nn.Linear(6, 6)
        self.head = nn.Linear(6, 6)
        del self.tail
        self.tail = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.head(self.body(x)))


@zoo(X)
def ChangedByTheFactory() -> nn.Module:
    model = nn.Sequential(Block(6), nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
    model[1][0] = nn.Linear(6, 2)
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    return model


class Passed(nn.Module):
    def __init__(self, inner: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(self.norm(x))


@zoo(X)
class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*[Passed(nn.Linear(6, 6), nn.LayerNorm(6)) for _ in range(3)])
        self.last = Passed(Block(6), Norm(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.body(x))


class WSConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class OwnConv(nn.Conv2d):
    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.gain


class PlainConv(nn.Conv2d):
    def __init__(self, width: int) -> None:
        super().__init__(width, width, 3, padding=1)
        nn.init.dirac_(self.weight)


@zoo(IMAGE, opaque=None)
class LeafSubclasses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = WSConv(3, 3, 3, padding=1)
        self.b = OwnConv(3)
        self.c = PlainConv(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)))


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x)


@zoo(X)
class Derived(Base):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(super().forward(x))


@zoo(X)
class OtherSelf(nn.Module):
    def __init__(this) -> None:
        super().__init__()
        this.linear = nn.Linear(6, 6)

    def forward(this, x: Tensor) -> Tensor:
        return this.helper(this.linear(x))

    def helper(me, x: Tensor) -> Tensor:
        return me.linear(x) + 1


@zoo(X, opaque=None)
class InForward(nn.Module):
    """Makes modules in forward: with weights it is another model each time."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return nn.Softmax(dim=-1)(nn.ReLU()(self.linear(x)))


@zoo(X)
class ParameterLists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(6)) for _ in range(2)])
        self.named = nn.ParameterDict({"a": nn.Parameter(torch.zeros(6)), "b": torch.ones(1)})

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = x * weight
        return x + self.weights[0] + self.named["a"] * self.named["b"]


@zoo(X)
class NamedLikeMethods(nn.Module):
    """Has parts whose names are those of methods, which `getattr` finds first."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.parameters = nn.ParameterList([torch.ones(2), torch.zeros(1)])  # type: ignore[assignment,method-assign]
        self.half = nn.Sequential(Block(6), Block(6))  # type: ignore[assignment,method-assign]  # that is the point

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Sublayer(nn.Module):
    """Calls what it is passed."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.full((6,), 0.5))

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        return x + self.dropout(sublayer(self.norm(x))) * self.scale


class Layer(nn.Module):
    """Passes lambdas, layers, methods and partial functions to its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.feed = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
        self.parts = nn.ModuleList(Sublayer() for _ in range(4))

    def scaled(self, x: Tensor, by: float = 2.0) -> Tensor:
        return self.feed(x) * by

    def forward(self, x: Tensor) -> Tensor:
        x = self.parts[0](x, lambda y: self.attention(y, y, y, need_weights=False)[0])
        x = self.parts[1](x, self.feed)
        x = self.parts[2](x, sublayer=self.scaled)
        return self.parts[3](x, partial(self.scaled, by=3.0))


@zoo(X)
def passes_functions() -> nn.Module:
    return nn.Sequential(Layer(), Layer())


class DecidesForIt(nn.Module):
    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        return sublayer(x) if x.sum() > 0 else x


@zoo(X, opaque=("the",))
class PassesAFunctionInVain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.part = DecidesForIt()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x, lambda y: self.linear(y))
