"""Cells: what they compute, against their definitions written down once more; how their choices are called."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas import (
    Cell,
    GraphSpace,
    InputChoice,
    LayerChoice,
    ModelSpace,
    NasBench101Cell,
    NasBench201Cell,
    Repeat,
    ValueChoice,
    basic_unit,
    load_module,
    to_source,
    trace,
)
from raynas.search_space.wiring import vertex_channels

X = torch.linspace(-1, 1, 2 * 6 * 9).reshape(2, 6, 3, 3)


@basic_unit
class Times(nn.Module):
    """An operation without parameters, so that a definition can be compared."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


@basic_unit
class Project(nn.Module):
    """To another number of channels: the first ones, again and again."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x] * self.after, 1)[:, : self.after] + 1


FACTORS = {"one": 1.0, "two": 2.0, "three": 3.0}
OPERATIONS = {name: Times(factor) for name, factor in FACTORS.items()}


def space_of(cell: Callable[[], nn.Module], *names: str) -> GraphSpace:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.cell = cell()

        def forward(self, x: Tensor, y: Tensor) -> Any:
            return self.cell(x, y) if names else self.cell(x)

    return trace(Model())


def outputs(space: GraphSpace, number: int = 25) -> Any:
    """Samples, and what their models give."""
    rng = Random(0)
    for _ in range(number):
        sample = space.search_space.random(rng)
        yield sample, load_module(to_source(space.freeze(sample)))(X, X + 2)


@pytest.mark.parametrize("merge", ["all", "loose_end"])
@pytest.mark.parametrize("reduction", ["concat", "sum"])
@pytest.mark.parametrize("by_input", [False, True])
def test_cell(merge: Any, reduction: Any, by_input: bool) -> None:
    operations: Any = OPERATIONS
    if by_input:
        operations = {
            name: lambda node, position, source, factor=factor: Times(factor + 10 * source)
            for name, factor in FACTORS.items()
        }
    space = space_of(
        lambda: Cell(
            operations, 3, 2, 2, merge, reduction, label="cell", postprocessor=lambda out, inputs: (out, inputs)
        ),
        "x",
        "y",
    )
    assert space.search_space.size() == 3 ** (3 * 2) * (2 * 3 * 4) ** 2
    for sample, (output, inputs) in outputs(space):
        states, used = [X, X + 2], set()
        for node in (2, 3, 4):
            total = torch.zeros(())
            for position in (0, 1):
                source = sample[f"cell.input_{node}_{position}"]
                factor = FACTORS[sample[f"cell.op_{node}_{position}"]] + (10 * source if by_input else 0)
                total = total + states[source] * factor
                used.add(source)
            states.append(total)
        merged = [state for node, state in enumerate(states) if node > 1 and (merge == "all" or node not in used)]
        wanted = torch.cat(merged, 1) if reduction == "concat" else sum(merged)
        torch.testing.assert_close(output, wanted)
        torch.testing.assert_close(inputs, [X, X + 2])


def test_what_follows_a_cell_knows_how_many_loose_ends_there_are() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.cell = Cell([nn.ReLU()], 3, 1, 1, "loose_end", label="cell")
            self.head = nn.Conv2d(6 * self.cell.num_merged, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x))

    space = trace(Model())
    widths = {load_module(to_source(space.freeze(s)))(X).shape: s for s in space.search_space.grid()}
    assert set(widths) == {(2, 4, 3, 3)}
    assert Model()(X).shape == (2, 4, 3, 3)


def test_a_preprocessor_sees_all_inputs() -> None:
    space = space_of(
        lambda: Cell([Times(1.0)], 1, 1, 2, preprocessor=lambda inputs: [inputs[1], inputs[0]], label="cell"), "x", "y"
    )
    output = load_module(to_source(space.freeze({"cell.op_2_0": 0, "cell.input_2_0": 0})))(X, X + 2)
    torch.testing.assert_close(output, X + 2)


def test_a_postprocessor_sees_the_inputs_as_the_cell_was_given_them() -> None:
    def both(merged: Any, inputs: list[Any]) -> Any:
        return merged, inputs[-1]

    space = space_of(
        lambda: Cell([Times(1.0)], 1, preprocessor=lambda inputs: [inputs[0] * 3], postprocessor=both, label="cell")
    )
    merged, before = load_module(to_source(space.freeze()))(X, X)
    torch.testing.assert_close(merged, X * 3)
    torch.testing.assert_close(before, X)


def test_nas_bench_201_cell() -> None:
    space = space_of(lambda: NasBench201Cell(OPERATIONS, 6, 6, label="cell"))
    assert space.search_space.size() == 3**6
    for sample, output in outputs(space):
        states = [X]
        for j in (1, 2, 3):
            states.append(sum(states[i] * FACTORS[sample[f"cell.op_{i}_{j}"]] for i in range(j)))  # type: ignore[arg-type]  # not empty
        torch.testing.assert_close(output, states[-1])


def test_nas_bench_101_cell() -> None:
    operations = {name: lambda width, factor=factor: Times(factor) for name, factor in FACTORS.items()}
    space = space_of(lambda: NasBench101Cell(operations, 6, 7, Project, 6, 9, "cell"))
    assert space.search_space.size() == 128_509
    for sample, output in outputs(space, 60):
        count = sample["cell.nodes"]
        if count == 2:
            torch.testing.assert_close(output, Project(6, 7)(X))
            continue
        edges = sample[f"cell.edges_{count}"]
        states = {0: X}
        for vertex in range(1, count - 1):
            width = vertex_channels(edges, 7, vertex)
            entering = [states[i][:, :width] if i else Project(6, width)(X) for i in edges[vertex - 1]]
            states[vertex] = sum(entering) * FACTORS[sample[f"cell.op_{vertex}"]]
            assert states[vertex].shape[1] == width
        wanted = torch.cat([states[i] for i in edges[-1] if i], 1)
        torch.testing.assert_close(output, wanted + Project(6, 7)(X) if 0 in edges[-1] else wanted)


def test_cells_without_a_label_are_named_after_where_they_stand() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.first = NasBench201Cell(OPERATIONS, 6, 6, 2)
            self.second = NasBench201Cell(OPERATIONS, 6, 6, 2)
            self.third = Cell(OPERATIONS, 1)

        def forward(self, x: Tensor) -> Any:
            return self.third(self.second(self.first(x)))

    labels = [domain.label for domain in trace(Model()).search_space]
    assert labels == ["first.op_0_1", "second.op_0_1", "third.op_1_0", "third.input_1_0"]


@pytest.mark.parametrize(
    ("reduction", "combine"),
    [
        ("sum", lambda chosen: sum(chosen)),
        ("mean", lambda chosen: sum(chosen) / len(chosen)),
        ("concat", lambda chosen: torch.cat(chosen, 1)),
        ("none", lambda chosen: tuple(chosen)),
    ],
)
def test_reductions(reduction: Any, combine: Callable[[Any], Any]) -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.pick = InputChoice(3, None, reduction, label="pick")

        def forward(self, x: Tensor) -> Any:
            return self.pick([x, x + 1, x * 2])

    space = trace(Model())
    assert space.search_space.size() == 7
    for sample in space.search_space.grid():
        inputs = [X, X + 1, X * 2]
        output = load_module(to_source(space.freeze(sample)))(X)
        torch.testing.assert_close(output, combine([inputs[i] for i in sample["pick"]]))  # type: ignore[union-attr]  # positions
    torch.testing.assert_close(Model()(X), combine([X]))


def test_depth_may_be_any_choice() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            depth = ValueChoice.randint(0, 3, label="depth")
            self.body = Repeat(lambda i: Times(float(i + 2)), depth)
            self.same = Repeat(LayerChoice(OPERATIONS, label="op"), depth * 2)

        def forward(self, x: Tensor) -> Any:
            return self.same(self.body(x))

    space = trace(Model())
    assert space.search_space.size() == 1 + 3 * 3
    for sample in space.search_space.grid():
        wanted = X
        for position in range(sample["depth"]):  # type: ignore[arg-type]  # an int
            wanted = wanted * (position + 2) * FACTORS[sample["op"]] ** 2  # type: ignore[index]  # a name
        torch.testing.assert_close(load_module(to_source(space.freeze(sample)))(X), wanted)


def test_a_choice_may_follow_from_others() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            width = ValueChoice([4, 8, 16], label="width")
            self.first = nn.Conv2d(6, width, 1)
            wide = LayerChoice([nn.ReLU(), nn.Tanh()], label="act")
            self.second = LayerChoice({True: wide, False: nn.Identity()}, pick=width > 4)
            self.last = nn.Conv2d(width, 6, 1)

        def forward(self, x: Tensor) -> Any:
            return self.last(self.second(self.first(x)))

    space = trace(Model())
    assert space.search_space.size() == 1 + 2 * 2
    assert [(c.label, c.values) for (c,) in space.search_space["act"].when] == [("width", (8, 16))]
    assert Model()(X).shape == X.shape


def test_a_choice_in_what_is_never_chosen_is_none() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            width = ValueChoice([4, 8], label="width")
            inner = LayerChoice([nn.ReLU(), nn.Tanh()], label="act")
            self.first = nn.Conv2d(6, width, 1)
            self.second = LayerChoice({True: inner, False: nn.Identity()}, pick=width > 8)

        def forward(self, x: Tensor) -> Any:
            return self.second(self.first(x))

    assert [domain.label for domain in trace(Model()).search_space] == ["width"]


def test_choices_in_calls_inside_forward() -> None:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.rate = ValueChoice([0.0, 0.5], label="rate")
            self.dim = ValueChoice([1, 2], label="dim")

        def forward(self, x: Tensor) -> Tensor:
            x = nn.functional.dropout(x, self.rate, self.training)
            x = torch.flatten(x, self.dim) * ValueChoice([2, 3], label="factor")
            return 1 + self.dim * x[:, : self.dim + 1].sum(self.dim)

    model = Model()
    space = trace(model)
    assert space.search_space.size() == 8
    torch.testing.assert_close(model(X), 1 + (torch.flatten(X, 1) * 2)[:, :2].sum(1))
    for sample in space.search_space.grid():
        module = load_module(to_source(space.freeze(sample))).eval()
        dim, factor = sample["dim"], sample["factor"]
        wanted = 1 + dim * (torch.flatten(X, dim) * factor)[:, : dim + 1].sum(dim)  # type: ignore[operator,arg-type,misc]  # ints
        torch.testing.assert_close(module(X), wanted)
