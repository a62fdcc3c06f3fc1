"""What a user may write by mistake: each error names the label, the line in the user's code and the cure."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas import (
    Cell,
    InputChoice,
    LayerChoice,
    ModelSpace,
    NasBench101Cell,
    NasBench201Cell,
    Repeat,
    SearchSpace,
    ValueChoice,
    profile,
    to_source,
    trace,
)
from raynas.errors import GraphError, RaynasError, SampleError, SpaceError, TraceError

HERE = r"test_bad_input.py:\d+"
X = torch.zeros(2, 4)


def model(*parts: Callable[[], nn.Module], forward: Callable[[Any, Tensor], Any] | None = None) -> type[ModelSpace]:
    class Model(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(part() for part in parts)

        def forward(self, x: Tensor) -> Any:
            if forward is not None:
                return forward(self, x)
            for part in self.parts:
                x = part(x)
            return x

    return Model


def test_a_label_with_two_domains() -> None:
    broken = model(
        lambda: nn.Linear(4, ValueChoice([4, 8], label="width")),
        lambda: nn.Linear(ValueChoice([4, 16], label="width"), 2),
    )
    message = rf"label 'width' stands for one of 4, 8 \(.*{HERE}\) and for one of 4, 16 \(.*{HERE}\): give one of"
    with pytest.raises(SpaceError, match=message):
        trace(broken())


def by_if(self: Any, x: Tensor) -> Tensor:
    if self.parts[0].factor > 1:
        return x
    return x + 1


def by_range(self: Any, x: Tensor) -> Tensor:
    for _ in range(self.parts[0].factor):
        x = x + 1
    return x


class Holds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = ValueChoice([1, 2], label="factor")


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (by_if, rf"{HERE}: gt\(ValueChoice\(\[1, 2\], label='factor'\), 1\) cannot be used as a bool.*: write LayerCh"),
        (by_range, rf"{HERE}: ValueChoice\(\[1, 2\], label='factor'\) cannot be used as a range.*: write Repeat"),
    ],
)
def test_a_choice_used_as_if_it_were_made(forward: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        trace(model(Holds, forward=forward)())


def test_a_choice_in_a_tensor_that_a_constructor_makes() -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: ValueChoice.*label='n'\) cannot be used as an argument of zeros"):
        torch.zeros(ValueChoice([1, 2], label="n"))


class Scaled(ModelSpace):
    def __init__(self, make: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.width = ValueChoice([1, 2], label="n")
        self.scale = nn.Parameter(make(self))


@pytest.mark.parametrize("make", [lambda s: torch.ones(s.width, 1), lambda s: torch.randn(*[s.width] * 2, 1)])
def test_a_choice_as_one_of_several_sizes(make: Any) -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: ValueChoice.*label='n'\) cannot be used here .*: pass it to a"):
        Scaled(make)


def test_other_errors_of_constructors_stay_what_they_are() -> None:
    with pytest.raises(TypeError, match="1 positional argument"):
        Scaled(lambda s: torch.ones("no", 1))  # type: ignore[call-overload]  # on purpose


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Repeat(nn.ReLU(), -1, "d"), r"Repeat 'd' has the depth -1: give a whole number from 0"),
        (lambda: Repeat(nn.ReLU(), 1.5, "d"), r"Repeat 'd' has the depth 1.5: give a whole number from 0"),
        (lambda: Repeat(nn.ReLU(), [1, 3], "d"), r"Repeat 'd' has the depth \[1, 3\]: .*, or a ValueChoice of several"),
        (
            lambda: Repeat(nn.ReLU(), (1, 2, 3), "d"),
            r"Repeat 'd' has the depth \(1, 2, 3\): .* a range \(least, most\)",
        ),
        (
            lambda: LayerChoice({1: nn.ReLU(), "1": nn.Tanh()}, "op"),
            "LayerChoice 'op' has two candidates of the name '1': call one of them otherwise",
        ),
        (lambda: InputChoice(2, 1.0, label="i"), "InputChoice 'i' cannot take 1.0 of 2 inputs: take a number from 1"),
        (lambda: InputChoice(2, (1,), label="i"), r"InputChoice 'i' cannot take \(1,\) of 2 inputs: .* a range"),
        (
            lambda: InputChoice(2, ValueChoice([1, 2], label="n"), label="i"),
            r"InputChoice 'i' cannot take ValueChoice\(.*\) of 2 inputs: .* or None for any number",
        ),
        (lambda: Repeat(nn.ReLU(), (2, 1), "d"), r"Repeat 'd' has the depth \(2, 1\): give a whole number from 0"),
        (
            lambda: Repeat(nn.ReLU(), ValueChoice([1, 2], label="n") - 2, "d"),
            r"Repeat 'd' may have the depth -1: give whole numbers from 0",
        ),
        (
            lambda: Repeat(nn.ReLU(), ValueChoice([1], label="a") + ValueChoice([1], label="b"), "d"),
            r"Repeat 'd' has a depth that hangs on 2 choices: make it one ValueChoice",
        ),
        (lambda: LayerChoice([], "op"), r"LayerChoice 'op' has no candidates: give it at least one"),
        (lambda: LayerChoice([nn.ReLU], "op"), r"LayerChoice 'op' has the candidate 0: .*, which is no module"),  # type: ignore[list-item]  # the mistake
        (
            lambda: LayerChoice({"half": nn.ReLU()}, "op"),
            r"LayerChoice 'op' cannot have a candidate .* 'half' .*: call",
        ),
        (lambda: LayerChoice({"a.b": nn.ReLU()}, "op"), r"LayerChoice 'op' cannot have a candidate .* 'a.b' .*: call"),
        (lambda: InputChoice(2, 3, label="i"), r"InputChoice 'i' cannot take 3 of 2 inputs: take a number from 1 to"),
        (
            lambda: InputChoice(2, reduction="max", label="i"),
            r"InputChoice 'i' has the reduction 'max': use one of sum",
        ),  # type: ignore[arg-type]  # the mistake
        (lambda: Cell([], 2, label="c"), r"Cell 'c' has no operations: give it at least one"),
        (lambda: Cell([nn.ReLU()], 0, label="c"), r"Cell 'c' has num_nodes=0: give a whole number from 1"),
        (lambda: Cell([lambda: 3], 1, label="c"), r"operation 0 of Cell 'c' is 3, which is no module: give a module"),  # type: ignore[arg-type,return-value]  # the mistake
        (lambda: Cell([nn.ReLU()], 1, merge_op="any", label="c"), r"Cell 'c' merges by 'any' and 'concat': use 'all'"),  # type: ignore[arg-type]  # the mistake
        (lambda: NasBench201Cell([nn.ReLU()], 2, 2, 1, "c"), r"Cell 'c' has num_tensors=1: give a whole number from 2"),
        (
            lambda: NasBench101Cell([nn.ReLU()], 2, 2, nn.Linear, 1, 9, "c"),
            r"NasBench101Cell 'c' may have 1 vertices and 9 edges: allow two vertices",
        ),
    ],
)
def test_words_that_make_no_sense(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=f"{HERE}: .*{message}"):
        make()


def test_an_input_choice_called_with_another_number() -> None:
    broken = model(lambda: InputChoice(3, label="pick"), forward=lambda self, x: self.parts[0](x, x))
    with pytest.raises((SpaceError, TraceError), match=r"label='pick'.* was called with 2 inputs: it is for 3"):
        trace(broken())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: nn.Linear(4, 5), r"float32 of shape \(2, 5\), not float32 of shape \(2, 4\)"),
        (lambda: nn.Linear(3, 4), r"it fails with RuntimeError, not float32"),
        (lambda: nn.MaxPool1d(2, return_indices=True), r"a tuple of float32 of shape \(2, 2\), int64 .*, not float32"),
    ],
)
def test_candidates_that_do_not_fit_each_other(other: Callable[[], nn.Module], message: str) -> None:
    broken = model(lambda: LayerChoice({"good": nn.Linear(4, 4), "bad": other()}, label="op"), lambda: nn.Linear(4, 2))
    whole = rf"{HERE}: the candidate 'bad' of LayerChoice 'op' does not fit where 'good' does: {message}.*: give all"
    with pytest.raises(SpaceError, match=whole):
        trace(broken(), [X])


def test_candidates_of_several_shapes_are_fine_where_the_model_goes_on_with_them() -> None:
    fine = model(
        lambda: LayerChoice({"narrow": nn.Linear(4, 4), "wide": nn.Linear(4, 6)}, label="op"),
        lambda: nn.AdaptiveAvgPool1d(2),
    )
    assert trace(fine(), [X]).search_space.size() == 2


SPACE = trace(
    model(
        lambda: nn.Linear(4, ValueChoice([4, 8], label="width")),
        lambda: LayerChoice(
            {"on": nn.Dropout(ValueChoice.uniform(0.0, 0.5, label="rate")), "off": nn.Tanh()}, label="op"
        ),
    )()
)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"op": "off"}, r"leaves out 'width' \(.*{}\): give it one of 4, 8"),
        ({"width": 4, "op": "off", "depth": 1}, r"there is no choice 'depth': the space has 'width', 'op', 'rate'"),
        ({"width": 5, "op": "off"}, r"sets 'width' \(.*{}\) to 5: give it one of 4, 8"),
        ({"width": 4.0, "op": "off"}, r"sets 'width' \(.*{}\) to 4.0: give it one of 4, 8"),
        ({"width": 4, "op": "on"}, r"leaves out 'rate' \(.*{}\): give it a float from 0.0 to 0.5"),
        ({"width": 4, "op": "on", "rate": 0.7}, r"sets 'rate' \(.*{}\) to 0.7: give it a float from 0.0 to 0.5"),
        ({"width": 4, "op": "off", "rate": 0.1}, r"sets 'rate' \(.*{}\), which does not count .*: leave it out"),
    ],
)
def test_samples_that_are_none(sample: Any, message: str) -> None:
    with pytest.raises(SampleError, match=message.replace("{}", HERE)):
        SPACE.freeze(sample)
    again = SearchSpace.from_json(SPACE.search_space.to_json())
    with pytest.raises(RaynasError) as caught:
        again.validate(sample)
    assert not re.search(HERE, str(caught.value))  # a document does not know the user's lines


class Untold(ModelSpace):
    """Its choice stands in an attribute only."""

    def __init__(self) -> None:
        super().__init__()
        self.bits = ValueChoice([2, 3], label="bits")
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (self.bits & 1)


class Around(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Untold()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@pytest.mark.parametrize("model", [Untold, Around])
def test_a_choice_is_not_lost_in_what_is_kept_whole(model: Any) -> None:
    with pytest.raises(TraceError, match=f"{HERE}.* but the choice 'bits' stands inside it, at '(inner.)?bits'"):
        trace(model)


class Mixing(ModelSpace):
    def __init__(self, mix: Any) -> None:
        super().__init__()
        self.mix, self.layer, self.depth = mix, nn.Linear(4, 4), ValueChoice([2, 3], label="depth")

    def forward(self, x: Tensor) -> Any:
        return self.mix(self.depth, self.layer(x))


@pytest.mark.parametrize(
    "mix",
    [
        lambda depth, x: ValueChoice.condition(depth > 2, x, x + 1),
        lambda depth, x: torch.cat([x] * depth, 1),
        lambda depth, x: ValueChoice.max(depth, x),
    ],
    ids=["condition", "list", "max"],
)
def test_a_choice_of_tensors_is_written_otherwise(mix: Any) -> None:
    with pytest.raises(SpaceError, match=f"{HERE}: a choice cannot be mixed with tensors by .*: write LayerChoice"):
        trace(lambda: Mixing(mix))


NO_CANDIDATES: dict[str, tuple[Callable[[], Any], str]] = {
    "letters": (lambda: ValueChoice("3x3"), r"the str '3x3': give a list"),
    "a set, whose order is never the same": (
        lambda: ValueChoice({"a", "b"}),
        r"the set \{.*: give a list",
    ),
    "a dict": (lambda: ValueChoice({"a": 1}), r"the dict \{'a': 1\}: give a list"),
    "a number": (lambda: ValueChoice(3), r"the int 3: give a list"),  # type: ignore[arg-type]  # that is the point
    "no modules": (lambda: LayerChoice(None, label="op"), r"'op' chooses from a NoneType: give a list or a dict"),  # type: ignore[arg-type]
    "a set of modules": (lambda: LayerChoice({nn.ReLU(), nn.GELU()}), r"chooses from a set"),  # type: ignore[arg-type]
    "nothing to repeat": (lambda: Repeat(None, 2), r"Repeat repeats None: give a module, a list of"),  # type: ignore[arg-type]
    "no depth": (lambda: Repeat(nn.ReLU(), True), r"has the depth True: give a whole number"),
}


@pytest.mark.parametrize("name", NO_CANDIDATES)
def test_what_has_no_candidates_in_order(name: str) -> None:
    make, message = NO_CANDIDATES[name]
    with pytest.raises(SpaceError, match=rf"{HERE}: .*{message}"):
        make()


def test_candidates_may_come_from_what_torch_and_python_iterate_over() -> None:
    layers = [nn.ReLU(), nn.GELU()]
    assert LayerChoice(nn.ModuleList(layers)).keys == LayerChoice(iter(layers)).keys == (0, 1)  # type: ignore[arg-type]
    assert LayerChoice(nn.ModuleDict({"relu": nn.ReLU()})).keys == ("relu",)  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", [3, "width", [("width", 4)]])
def test_a_sample_that_is_no_mapping(sample: Any) -> None:
    space = trace(model(lambda: nn.Linear(4, ValueChoice([4, 8], label="width")))())
    with pytest.raises(SampleError, match=r"is no sample: give a mapping from labels to values"):
        space.freeze(sample)


def test_example_inputs_that_are_none() -> None:
    with pytest.raises(TraceError, match=r"example_inputs is a dict: give a tuple"):
        trace(lambda: nn.Linear(4, 2), example_inputs={"input": X})  # type: ignore[arg-type]


def test_a_tensor_by_itself_is_the_only_example_input() -> None:
    graph = trace(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), example_inputs=torch.zeros(1, 3, 8, 8))
    assert profile(graph.freeze(), torch.zeros(1, 3, 8, 8)).output.shape == (1, 4, 6, 6)


@pytest.mark.parametrize("given", [nn.Linear(4, 2), trace(lambda: nn.Linear(4, 2)), None])
def test_source_of_what_is_no_frozen_graph(given: Any) -> None:
    with pytest.raises(GraphError, match=r"give it the graph that `freeze` returns"):
        to_source(given)


def test_a_choice_in_a_layer_that_no_space_holds() -> None:
    for make in (lambda n: nn.Linear(2, n), lambda n: nn.Dropout(n), lambda n: nn.MultiheadAttention(n, 1)):
        with pytest.raises(SpaceError, match=rf"{HERE}: .* cannot be used as an argument of \w+ here.*from ModelSpace"):
            make(ValueChoice([2, 4], label="n"))


class OwnLinear(nn.Linear):
    def __init__(self, size: int) -> None:
        super().__init__(2, size)


class HoldsOwnLinear(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.layer = OwnLinear(ValueChoice([2, 4], label="n"))


def test_a_choice_in_a_layer_of_ones_own() -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: .*: write @raynas\.basic_unit above the class OwnLinear"):
        HoldsOwnLinear()


class Looks(ModelSpace):
    def __init__(self, use: Callable[[Any], Any]) -> None:
        super().__init__()
        self.kind = ValueChoice(["relu", "gelu"], label="kind")
        self.used = use(self.kind)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda kind: kind(), r".* cannot be used here .*: write LayerChoice\(\[nn\.ReLU\(\), nn\.GELU\(\)\]\)"),
        (
            lambda kind: {"relu": nn.ReLU()}[kind],
            r".* cannot be used as a key.*: write LayerChoice\(\{'relu': nn\.ReLU",
        ),
    ],
)
def test_a_choice_that_stands_for_a_layer(use: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: {message}"):
        Looks(use)


def test_a_choice_that_stands_for_a_layer_in_forward() -> None:
    def called(self: Any, x: Tensor) -> Any:
        return self.parts[0].factor(x)

    def looked_up(self: Any, x: Tensor) -> Any:
        return {1: x}[self.parts[0].factor]

    for forward, what in ((called, "calls a choice of values"), (looked_up, "looks up a choice in a table")):
        with pytest.raises(TraceError, match=rf"{what}, and LayerChoice is for one of several modules"):
            trace(model(Holds, forward=forward)())


def test_a_class_where_a_model_should_be_built() -> None:
    with pytest.raises(TraceError, match="gave the class ReLU: it must build a module"):
        trace(lambda: nn.ReLU)  # type: ignore[arg-type,return-value]  # the mistake


def test_blocks_that_are_not_as_many_as_the_depth() -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: Repeat 'd' has 1 blocks for depths up to 2: give as many"):
        Repeat([nn.ReLU()], (1, 2), "d")


def test_a_pick_that_is_no_candidate() -> None:
    with pytest.raises(SpaceError, match=rf"{HERE}: LayerChoice 'op' picks 'c', which is none of .*'a', 'b'"):
        LayerChoice({"a": nn.ReLU(), "b": nn.GELU()}, "op", pick="c")
