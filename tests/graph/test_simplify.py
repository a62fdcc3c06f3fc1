"""Simplify changes how much graph there is, and never what it computes."""

import copy
import random

import pytest
import torch
from torch import nn

from raynas import Graph, InputChoice, LayerChoice, ModelSpace, Repeat, load_module, to_source, trace
from raynas.graph import simplify
from raynas.nn import Zero


def filled(module):
    """The module with weights that depend on their shapes alone, in `eval` mode."""
    for tensor in module.parameters():
        generator = torch.Generator().manual_seed(sum(k * (i + 1) for i, k in enumerate(tensor.shape)))
        tensor.data = torch.randn(tensor.shape, generator=generator) * 0.3
    return module.eval()


def frozen(factory):
    return trace(factory).freeze()


def both(factory, *inputs):
    """The graph before and after; what both compute must be equal."""
    before = frozen(factory)
    after = simplify(before)
    made = [filled(load_module(to_source(graph))) for graph in (before, after)]
    assert torch.equal(made[0](*inputs), made[1](*inputs))
    return before, after


X = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))


class Sum(nn.Module):
    """Adds what two branches make of one input."""

    def __init__(self, left, right):
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x):
        return self.left(x) + self.right(x)


def conv(stride=1):
    return nn.Conv2d(4, 4, 3, stride=stride, padding=1)


def test_identities_go_and_a_sequence_is_numbered_anew():
    _, after = both(lambda: nn.Sequential(nn.Identity(), conv(), nn.Identity(), nn.ReLU(), nn.Identity()), X)
    assert [m.target for m in after.members.values()] == ["torch.nn.Conv2d", "torch.nn.ReLU"]
    assert list(after.members) == ["0", "1"]


def test_a_zero_goes_from_a_sum_that_keeps_its_shape():
    _, after = both(lambda: Sum(conv(), Zero()), X)
    assert "zeros_like" not in to_source(after)
    assert "+" not in to_source(after)


def test_a_zero_stays_where_it_would_change_the_shape():
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.zero, self.pool = Zero(), nn.AdaptiveAvgPool2d(1)

        def forward(self, x):
            return self.zero(x) + self.pool(x)

    _, after = both(Wide, X)
    assert "zeros_like" in to_source(after)


@pytest.mark.parametrize(
    ("turned", "start"),
    [
        *((kind, lambda x: x) for kind in (nn.Tanh, nn.Sigmoid, nn.Softsign, nn.Tanhshrink)),
        *((function, lambda x: x) for function in (torch.exp, torch.sqrt, torch.sigmoid, torch.nn.functional.tanh)),
        (torch.abs, lambda x: x * 1j),
        (torch.square, lambda x: x > 0),
    ],
    ids=lambda value: value.__name__,
)
def test_a_zero_stays_where_it_would_change_the_dtype(turned, start):
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.turned = turned() if isinstance(turned, type) else None

        def forward(self, x):
            first = start(x)
            wide = turned(first) if self.turned is None else self.turned(first)
            return first + torch.zeros_like(wide), wide + torch.zeros_like(first)

    before = frozen(Wide)
    graphs = before, simplify(before)
    one, two = (load_module(to_source(graph))(torch.ones(2, 3, dtype=torch.int64)) for graph in graphs)
    assert [value.dtype for value in one] == [value.dtype for value in two]


def test_a_zero_goes_where_floats_stay_floats():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.tanh, self.zero = nn.Sequential(conv(), nn.ReLU()), nn.Tanh(), Zero()

        def forward(self, x):
            return torch.exp(x := self.conv(x)) + self.zero(torch.sigmoid(self.tanh(x)))

    _, after = both(Gated, X)
    assert "zeros_like" not in to_source(after)


def test_zeros_pass_through_what_keeps_them_and_stop_at_parameters():
    class Net(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.zero, self.inner, self.conv = Zero(), inner, conv()

        def forward(self, x):
            return self.conv(x) + self.inner(self.zero(x))

    _, after = both(lambda: Net(nn.Sequential(nn.ReLU(), nn.AvgPool2d(3, 1, 1))), X)
    assert "+" not in to_source(after)
    _, after = both(lambda: Net(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4))), X)
    assert "+" in to_source(after)
    _, after = both(lambda: Net(nn.Sigmoid()), X)
    assert "+" in to_source(after)


def test_equal_deterministic_steps_become_one_and_random_or_trained_ones_do_not():
    class Twice(nn.Module):
        def __init__(self, make):
            super().__init__()
            self.a, self.b, self.c, self.d = make(), make(), conv(), conv()

        def forward(self, x):
            return self.c(self.a(x)) * self.d(self.b(x))

    def calls(make):
        _, after = both(lambda: Twice(make), X)
        return sum(node.op == "module" for node in after.nodes)

    assert calls(lambda: nn.MaxPool2d(3, 1, 1)) == 3
    assert calls(lambda: nn.Dropout(0.5)) == 4
    assert calls(conv) == 4


def test_what_nobody_uses_goes_with_its_members():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused, self.never = conv(), conv(), conv()

        def forward(self, x):
            self.unused(x)
            return self.used(x)

    _, after = both(Dead, X)
    assert list(after.members) == ["used"]


def test_a_write_in_place_is_kept_in_its_place():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv()

        def forward(self, x):
            a = self.conv(x)
            b = torch.relu(a)
            a.add_(1.0)
            c = torch.relu(a)
            return b - c

    _, after = both(InPlace, X)
    assert sum(node.target == "torch.relu" for node in after.nodes) == 2


class Space(ModelSpace):
    """Two parallel chains in which everything that simplify knows can meet."""

    def __init__(self):
        super().__init__()

        def block(name):
            return Repeat(
                lambda i: LayerChoice(
                    {
                        "zero": Zero(),
                        "skip": nn.Identity(),
                        "pool": nn.AvgPool2d(3, 1, 1),
                        "relu": nn.ReLU(),
                        "conv": conv(),
                    },
                    label=f"{name}{i}",
                ),
                depth=(0, 3),
                label=f"{name}_depth",
            )

        self.left, self.right, self.last = block("left"), block("right"), block("last")

    def forward(self, x):
        return self.last(self.left(x) + self.right(x)) + x


@pytest.fixture(scope="module")
def space():
    return trace(Space())


def test_samples_of_a_space_compute_the_same_and_equal_fingerprints_mean_equal_outputs(space):
    rng = random.Random(0)
    outputs = {}
    for _ in range(150):
        before = space.freeze(space.search_space.random(rng))
        after = simplify(before)
        made = [filled(load_module(to_source(graph)))(X) for graph in (before, after)]
        assert torch.equal(*made)
        assert simplify(after).fingerprint() == after.fingerprint()
        known = outputs.setdefault(after.fingerprint(), made[1])
        assert torch.allclose(known, made[1], atol=1e-5)
    assert len(outputs) < 150


def test_the_original_is_left_alone(space):
    graph = space.freeze()
    text = graph.to_json()
    simplify(graph)
    assert graph.to_json() == text


class Written(nn.Module):
    """Two equal sums, into one of which something is written."""

    def __init__(self, write, zero=False):
        super().__init__()
        self.a, self.b, self.write = conv(), Zero() if zero else conv(), write

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        first, second = a + b, a + b
        return self.write(first) + second * a


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize(
    "write",
    [lambda: nn.ReLU(inplace=True), lambda: nn.Hardswish(True), lambda: nn.ELU(1.0, True)],
    ids=["named", "first", "second"],
)
def test_what_is_written_in_place_is_written_to_nothing_else(write, zero):
    both(lambda: Written(write(), zero), X)


class Functions(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = conv(), conv()

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        first, second = a + b, a + b
        torch.nn.functional.relu(first, True)
        torch.nn.functional.leaky_relu(a, 0.2, True)
        return first * second + a


def test_a_function_told_by_position_to_write_in_place_does():
    both(Functions, X)


def test_a_zero_goes_from_a_sum_that_is_written_to_where_nobody_else_sees_the_other_term():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.zero, self.relu = conv(), Zero(), nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.conv(x) + self.zero(x))

    _, after = both(Net, X)
    assert "+" not in to_source(after)


class Picks(ModelSpace):
    """An input choice between parts that stand in a list and hang on no choice."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([conv(), nn.ReLU(), conv()])
        self.pick = InputChoice(3, label="pick")

    def forward(self, x):
        return self.pick([part(x) for part in self.parts])


def test_one_sample_does_not_take_from_another_what_it_does_not_need():
    space = trace(Picks())
    found = [simplify(space.freeze({"pick": pick})).fingerprint() for pick in (0, 1, 2, 0, 1)]
    assert found == [*found[:2], found[0], *found[:2]]
    assert found[0] != found[1]


class Later(nn.Module):
    """Two units of one text; then the constructor changes one of them, in one of several ways."""

    def __init__(self, how):
        super().__init__()
        pool = [nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1)]
        if how == "before it is copied":
            pool[0].kernel_size, pool[0].padding = 1, 0
            pool.append(copy.deepcopy(pool[0]))
        self.pools = nn.ModuleList(pool)
        self.relu = nn.ReLU()
        if how == "directly":
            pool[1].kernel_size, pool[1].padding = 5, 2
        if how == "in place":
            self.relu.inplace = True

    def forward(self, x):
        x = x + 0
        return sum(pool(x) for pool in self.pools) + self.relu(x) + x


class Around(nn.Module):
    """Two blocks of one class; then the constructor changes a unit in one of them."""

    def __init__(self, how):
        super().__init__()
        self.first, self.second = Later(""), Later("")
        if how == "in a block":
            self.second.pools[0].kernel_size, self.second.pools[0].padding = 1, 0
        if how == "shared":
            self.second.pools = self.first.pools
            self.second.pools[1].kernel_size, self.second.pools[1].padding = 1, 0

    def forward(self, x):
        return self.first(x) - self.second(x)


@pytest.mark.parametrize("how", ["directly", "before it is copied", "in place", ""])
def test_a_unit_that_was_changed_after_its_call_is_no_other_ones_twin(how):
    before, after = both(lambda: Later(how), X)
    pools = sum(node.op == "module" and "pool" in node.target for node in after.nodes)
    assert pools == {"directly": 2, "before it is copied": 3, "in place": 2, "": 1}[how]
    assert Graph.from_json(before.to_json()).fingerprint() == before.fingerprint()
    assert to_source(simplify(Graph.from_json(before.to_json()))) == to_source(after)


@pytest.mark.parametrize("how", ["in a block", "shared", ""])
def test_nor_where_the_change_stands_in_a_constructor_above(how):
    both(lambda: Around(how), X)


def test_what_is_changed_in_a_chosen_one_is_its_own():
    class Chosen(ModelSpace):
        def __init__(self):
            super().__init__()
            self.one = LayerChoice({"pool": nn.MaxPool2d(3, 1, 1), "relu": nn.ReLU()}, label="one")
            pool = nn.MaxPool2d(3, 1, 1)
            self.two = LayerChoice({"pool": pool, "relu": nn.ReLU()}, label="two")
            pool.kernel_size, pool.padding = 5, 2

        def forward(self, x):
            return self.one(x) + self.two(x)

    space = trace(Chosen())
    for sample in space.search_space.grid():
        before = space.freeze(sample)
        made = [load_module(to_source(graph)) for graph in (before, simplify(before))]
        assert torch.equal(made[0](X), made[1](X))
        kinds = {node.target for node in simplify(before).nodes if node.op == "module"}
        assert len(kinds) == (1 if set(sample.values()) == {"relu"} else 2)
