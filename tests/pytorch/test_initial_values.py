"""Initial values: what constructors compute stands in the generated constructors, or the module is kept whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import random, shuffle
from random import seed as seed_python

import numpy
import pytest
import torch
from torch import Tensor, nn

from raynas.pytorch import load_module
from tests.pytorch.check import check, roundtrip


def positions(size: int) -> Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")).flatten(1)
    relative = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0)
    relative[:, :, 0] += size - 1
    relative[:, :, 1] += size - 1
    relative[:, :, 0] *= 2 * size - 1
    return relative.sum(-1).view(-1)


class RelativePositions(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn((2 * size - 1) ** 2, 4))
        self.register_buffer("index", torch.empty(size**4, dtype=torch.long), persistent=False)
        self.index.copy_(positions(size))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table[self.index].mean(0)


class TwoSizes(nn.Module):
    """Its blocks become one class, whose arguments are named otherwise than the variables of its constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.small = RelativePositions(3)
        self.large = RelativePositions(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.large(self.small(x))


def test_arguments_and_variables_of_a_constructor_have_names_of_their_own() -> None:
    source = check(TwoSizes, torch.randn(2, 4), opaque=())
    assert source.count("class ") == 2


class FromNumpy(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.from_numpy(numpy.sin(numpy.arange(float(count)))).float())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table.sum()


class FromList(FromNumpy):
    def __init__(self, count: int) -> None:
        nn.Module.__init__(self)
        self.register_buffer("table", torch.tensor([math.sin(i) for i in range(count)]))


class ByNumpysNumber(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4) * numpy.log(1 / 0.07))
        nn.init.constant_(self.scale[:1], numpy.float32(0.1))  # type: ignore[arg-type]  # as people do

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.exp()


def test_numbers_of_numpy_are_numbers() -> None:
    check(ByNumpysNumber, torch.randn(2, 4), opaque=())


class Permuted(nn.Module):
    """Its order is another one each time it is built."""

    def __init__(self, draw: Callable[[], list[int]]) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(draw()))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order]


class ByNumpy(Permuted):
    def __init__(self) -> None:
        super().__init__(lambda: numpy.random.permutation(4).tolist())


class ByPython(Permuted):
    def __init__(self) -> None:
        order = [0, 1, 2, 3]
        shuffle(order)
        super().__init__(lambda: order)


class Directly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.from_numpy(numpy.random.randn(4)).float())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.order


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.order = nn.Parameter(torch.ones(4) * numpy.random.rand())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.order


class Constant(Scaled):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.order = nn.Parameter(torch.ones(4))
        nn.init.constant_(self.order, random())


class Around(nn.Module):
    def __init__(self, inner: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.inner = inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.first(x))


@pytest.mark.parametrize("cls", [FromNumpy, FromList])
def test_few_values_are_written_out_and_many_are_not(cls: type[FromNumpy]) -> None:
    check(lambda: Around(lambda: cls(50)), torch.randn(2, 4), opaque=())
    source = check(lambda: Around(lambda: cls(9_000)), torch.randn(2, 4), opaque=("inner",))
    assert len(source) < 1_000


@pytest.mark.parametrize("cls", [ByNumpy, ByPython, Directly, Scaled, Constant])
def test_values_that_python_or_numpy_drew_are_drawn_again(cls: Callable[[], nn.Module]) -> None:
    source, notices = roundtrip(lambda: Around(cls))
    (notice,) = notices
    assert "inner" in notice and "random numbers from Python or NumPy" in notice and ".py:" in notice
    tables = set()
    for seed in range(5):
        numpy.random.seed(seed)
        seed_python(seed)
        tables.add(str(load_module(source).inner.order.tolist()))
    assert len(tables) > 1


def test_seeding_in_the_factory_keeps_nothing_whole() -> None:
    def factory() -> nn.Module:
        seed_python(0)
        numpy.random.seed(0)
        return Around(lambda: FromList(10))

    assert roundtrip(factory)[1] == []


class Printing(nn.Module):
    """Kept whole, with a layer in it that a loop over all layers reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        print(end="")
        return self.inner(x)


class Filled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*[nn.Linear(4, 4) for _ in range(6)])
        self.printing = Printing()
        self.attention = nn.MultiheadAttention(4, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_uniform_(module.weight)
                nn.init.ones_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.printing(self.layers(x))
        return self.attention(x, x, x)[0]


def test_a_loop_over_all_layers_reaches_into_what_is_kept_whole_once() -> None:
    check(Filled, torch.randn(2, 4), opaque=("printing",))


class Levels(nn.Module):
    """Levels of plain modules, each with two lists that grow in turn, put in front of those before them."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for _ in range(2):
            level = nn.Module()
            level.first, level.second = nn.ModuleList(), nn.ModuleList()
            for _ in range(2):
                level.first.append(nn.Linear(4, 4))
                level.second.append(nn.Linear(4, 4))
            self.levels.insert(0, level)
        self.last = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for level in self.levels:
            for first, second in zip(level.first, level.second, strict=True):
                x = second(first(x))
        return self.last(x)


def test_layers_of_lists_that_grow_in_turn_draw_in_turn() -> None:
    check(Levels, torch.randn(2, 4), opaque=())


def orthogonal(layer: nn.Linear, gain: float = 1.5) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class ActorCritic(nn.Module):
    """Initialises each layer as it is made, within the lists that it stands in, as people write it for PPO."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(orthogonal(nn.Linear(6, 6)), nn.Tanh(), orthogonal(nn.Linear(6, 4)))
        self.critic = nn.Sequential(orthogonal(nn.Linear(4, 6)), nn.Tanh(), inner)
        self.actors = nn.ModuleList([orthogonal(nn.Linear(4, 4), 0.01) for _ in range(3)])
        self.heads = nn.ModuleDict({name: orthogonal(nn.Linear(4, 4)) for name in ("mean", "scale")})

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value = self.critic(x)
        for actor in self.actors:
            x = actor(x)
        return self.heads["mean"](x) * self.heads["scale"](x), value


def test_layers_that_are_initialised_as_they_are_made_draw_in_turn() -> None:
    check(ActorCritic, torch.randn(2, 4), opaque=())
    check(lambda: nn.Sequential(orthogonal(nn.Linear(4, 4)), nn.Tanh(), ActorCritic()), torch.randn(2, 4), opaque=())


class OldNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        nn.init.xavier_uniform(self.linear.weight, gain=2.0)
        nn.init.constant(self.linear.bias, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


@pytest.mark.filterwarnings("ignore:.*is now deprecated:FutureWarning")
def test_the_old_names_of_init_functions_become_the_new_ones() -> None:
    assert "nn.init.xavier_uniform_(self.linear.weight, gain=2.0)" in check(OldNames, torch.randn(2, 4), opaque=())


class MadeInTurns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.scale = nn.Parameter(torch.randn(6))
        self.last = nn.Linear(6, 6)
        self.register_buffer("shift", torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x) * self.scale) + self.shift


def test_modules_parameters_and_buffers_are_made_in_the_order_in_which_they_were_written() -> None:
    source, _ = roundtrip(MadeInTurns)
    made = [line.strip().partition(" = ")[0] for line in source.splitlines() if line.startswith(" " * 8)]
    assert made[1:4] == ["self.layer", "self.scale", "self.last"]


class Permuted(nn.Module):
    """Keeps numbers that Python and NumPy drew as plain values."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = random()
        self.order = [int(position) for position in numpy.random.permutation(4)]

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.order] * self.scale


class Drawn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.permuted = nn.Linear(4, 4), Permuted()
        self.shift = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.permuted(self.first(x)) + self.shift


def test_plain_values_that_were_drawn_are_drawn_again() -> None:
    source, notices = roundtrip(Drawn)
    assert [notice.partition(" ")[0] for notice in notices] == ["permuted"]
    models = []
    for build in (Drawn, lambda: load_module(source)):
        for maker in (torch.manual_seed, seed_python, numpy.random.seed):
            maker(7)
        models.append(build())
    x = torch.randn(2, 4)
    assert torch.equal(models[0](x), models[1](x))


class Uninitialised(nn.Module):
    """Makes its parameters as people did before there was `torch.empty`, and fills them then."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.Tensor(4, 40))
        self.bias = nn.Parameter(torch.FloatTensor(40))
        self.scale = nn.Parameter(Tensor(10, 40))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias.data.uniform_(-0.5, 0.5)
        self.scale.data.fill_(2)

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight + self.bias) * self.scale.mean(0)


def test_tensors_that_are_made_empty_and_then_filled_are_written_so() -> None:
    source = check(lambda: nn.Sequential(Uninitialised()), torch.randn(2, 4), opaque=())
    assert "nn.Parameter(torch.empty((4, 40)))" in source
