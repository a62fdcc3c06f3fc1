"""What trace says: notices, errors, and what example inputs prove."""

from __future__ import annotations

import builtins
import functools
import itertools
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import raynas
from raynas import LayerChoice, ModelSpace, Repeat, ValueChoice
from raynas.errors import Notice, TraceError
from raynas.graph.simplify import simplify
from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.zoo.calls import OptionalInput, StarArguments

X = torch.ones(2, 4)


class Decides(nn.Module):
    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner = inner if inner is not None else nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.sum() > 0 else x


class Around(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, ValueChoice([4], label="n"))
        self.decides = Decides()

    def forward(self, x: Tensor) -> Tensor:
        return self.decides(self.first(x))


class Inside(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.decides = Decides(LayerChoice([nn.ReLU(), nn.Tanh()], label="act"))

    def forward(self, x: Tensor) -> Tensor:
        return self.decides(x)


class ReadsElsewhere(nn.Module):
    """Asks for what no proxy can answer, in a way that no reading of the code finds."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (2 if getattr(builtins, "type")(x) == Tensor else 3)  # noqa: B009


class Holds(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.reads = ReadsElsewhere()

    def forward(self, x: Tensor) -> Tensor:
        return self.reads(self.linear(x))


COUNT = itertools.count(1)


class Counts(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * next(COUNT)


class AroundCounts(nn.Module):
    """Kept whole for what it does itself; something in it is another one at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counts()

    def forward(self, x: Tensor) -> Tensor:
        print(end="")
        return self.counts(x)


def test_what_goes_on_inside_what_is_kept_whole_is_its_own() -> None:
    with pytest.warns(Notice, match="computes something else at each call"):
        trace(AroundCounts, example_inputs=(X,))
    with pytest.warns(Notice, match=r"1 .AroundCounts. computes something else at each call"):
        trace(lambda: nn.Sequential(nn.Linear(4, 4), AroundCounts()), example_inputs=(X,))


class MadeBy(nn.Module):
    """Kept whole, and given a function that no other process can import."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.act = make()

    def forward(self, x: Tensor) -> Tensor:
        print(end="")
        return self.act(x)


class MakesByMethod(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.made = MadeBy(functools.partial(self.make, 1))

    def make(self, parts: int) -> nn.Module:
        return nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.made(x)


class MakesByFunction(MakesByMethod):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.made = MadeBy(lambda: nn.ReLU())


@pytest.mark.parametrize("cls", [MakesByMethod, MakesByFunction])
def test_what_cannot_be_opened_nor_made_again_keeps_the_module_around_it_whole(cls: Any) -> None:
    with pytest.warns(Notice) as caught:
        trace(lambda: nn.Sequential(cls(), nn.ReLU()))
    (notice,) = [str(w.message) for w in caught if issubclass(w.category, Notice)]
    assert notice.startswith(f"0 ({cls.__name__}) is kept whole: holds a MadeBy, which is kept whole (")
    assert "prints while it runs" in notice and "cannot be imported under a name" in notice and "\n" not in notice


def test_one_notice_names_module_line_and_reason() -> None:
    with pytest.warns(Notice) as caught:
        trace(lambda: nn.Sequential(Decides(), nn.ReLU()))
    (notice,) = [str(w.message) for w in caught if issubclass(w.category, Notice)]
    assert notice.startswith("0 (Decides) is kept whole: ")
    assert "test_trace.py:" in notice and "decides by a value" in notice


def test_a_choice_inside_what_cannot_be_opened_is_an_error_that_names_the_line() -> None:
    with pytest.raises(TraceError, match=r"test_trace.py:\d+.*'act' stands inside it, at 'inner'"):
        trace(Inside())


class Hidden:
    """Keeps what it is passed under another name."""

    def __init__(self, width: int) -> None:
        self._kept = width


class MadeOfHidden(nn.Module):
    def __init__(self, config: Hidden) -> None:
        super().__init__()
        self.layer = nn.Linear(config._kept, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else x


def test_an_argument_that_cannot_be_written_is_refused_with_the_cure() -> None:
    with pytest.raises(TraceError, match="Hidden, of which nobody recorded how it was made: make it with"):
        trace(lambda: nn.Sequential(MadeOfHidden(Hidden(3))))
    assert "super().__init__(Hidden(3))" in to_source(trace(lambda: MadeOfHidden(raynas.serialize(Hidden, 3))).freeze())


def test_a_model_that_nobody_recorded_is_refused_with_the_cure() -> None:
    with pytest.raises(TraceError, match=r"pass raynas.trace a function that builds it"):
        trace(nn.Linear(2, 2))


def test_something_that_builds_no_module_is_refused() -> None:
    with pytest.raises(TraceError, match="must build a module"):
        trace(lambda: 3)  # type: ignore[arg-type,return-value]  # on purpose


def test_example_inputs_find_what_reading_the_code_does_not() -> None:
    with pytest.warns(
        Notice, match=r"reads .ReadsElsewhere. is kept whole: .*test_trace.py:\d+: it computes something else"
    ):
        trace(Holds, example_inputs=(X,))


def test_example_inputs_open_a_model_with_optional_arguments() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        x = torch.ones(2, 6)
        generated = load_module(to_source(trace(OptionalInput, example_inputs=(x, x)).freeze()))
        assert generated(x, x).shape == (2, 6)
        source = to_source(trace(StarArguments, example_inputs=(x, x, x)).freeze())
        assert load_module(source)(x, x, x).shape == (2, 6)
        assert "others" in source


def test_tracing_leaves_the_model_and_the_random_numbers_as_they_were() -> None:
    space = Around()
    before = {name: tensor.clone() for name, tensor in space.state_dict().items()}
    state = torch.get_rng_state()
    with pytest.warns(Notice):
        trace(space, example_inputs=(X,))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], tensor) for name, tensor in space.state_dict().items())
    assert all(parameter.grad is None for parameter in space.parameters())


class Loaded(nn.Module):
    def __init__(self, file: str | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(40, 40)
        self.norm = nn.BatchNorm1d(40)
        self.head = nn.Linear(40, 3)
        if file is not None:
            self.load_state_dict(torch.load(file))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.linear(x)))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tensors = {name: torch.rand_like(tensor.float()) for name, tensor in Loaded().state_dict().items()}
    torch.save({"epoch": 3, "model": tensors}, tmp_path / "nested.pt")
    torch.save(tensors, tmp_path / "plain.pt")
    save_file(tensors, tmp_path / "plain.safetensors")
    return tmp_path


def loads(weights: Path, how: str) -> nn.Module:
    if how == "in the constructor":
        return Loaded(str(weights / "plain.pt"))
    model = Loaded()
    if how == "safetensors":
        model.load_state_dict(load_file(weights / "plain.safetensors"))
    elif how == "nested":
        model.load_state_dict(torch.load(weights / "nested.pt")["model"])
    elif how == "weights only in part":
        state = torch.load(weights / "plain.pt")
        model.load_state_dict({k: v for k, v in state.items() if not k.startswith("head.")}, strict=False)
    elif how == "another head":
        model.load_state_dict(torch.load(weights / "plain.pt"))
        model.head = nn.Linear(40, 5)
        model.linear.requires_grad_(False)
    else:
        model.load_state_dict(torch.load(weights / "plain.pt"))
    return model


@pytest.mark.parametrize("how", ["in the constructor", "by the factory", "safetensors", "nested"])
def test_weights_that_are_loaded_from_a_file_are_loaded_again(weights: Path, how: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        source = to_source(trace(lambda: loads(weights, how)).freeze())
    assert "class Model(nn.Module)" in source
    original, generated = loads(weights, how), load_module(source)
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, generated.state_dict()[name]), name


@pytest.mark.parametrize("how", ["weights only in part", "another head"])
def test_weights_that_no_call_explains_are_told_of(weights: Path, how: str) -> None:
    with pytest.warns(Notice, match="'linear' .Linear. starts with other weights than the original"):
        source = to_source(trace(lambda: loads(weights, how)).freeze())
    original, generated = loads(weights, how), load_module(source)
    generated.load_state_dict(original.state_dict(), strict=True)
    assert torch.equal(original.eval()(torch.ones(2, 40)), generated.eval()(torch.ones(2, 40)))
    assert [p.requires_grad for p in original.parameters()] == [p.requires_grad for p in generated.parameters()]


class KeepsAll(nn.Module):
    """Changes whatever a forward can change."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("mean", torch.zeros(4))
        self.seen: list[int] = []
        self.last: Tensor | None = None
        self.plain = torch.zeros(4)
        self.linear.bias.requires_grad_(False)
        self.norm.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.mean = self.mean * 0.9 + x.detach().mean(0)
        self.seen.append(len(self.seen))
        self.plain.add_(1)
        self.last = x
        self.linear.requires_grad_(True)
        return self.norm(self.linear(x)) + self.mean + self.plain


def test_a_proof_leaves_a_model_as_it_was() -> None:
    with raynas.recording():
        model = KeepsAll()
    model.linear.weight.grad = torch.ones(4, 4)
    mean = model.mean
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.warns(Notice):
        trace(model, example_inputs=(X,))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.mean is mean and model.seen == [] and model.last is None and not model.plain.any()
    assert not model.linear.bias.requires_grad and torch.equal(model.linear.weight.grad, torch.ones(4, 4))
    assert model.training and model.linear.training and not model.norm.training


@pytest.mark.parametrize("examples", [None, (X,)])
def test_what_is_recorded_is_what_was_built_and_not_how_it_was_looked_at(examples: Any) -> None:
    with raynas.recording() as tape:
        model = KeepsAll()
        events = list(tape.events)
        with pytest.warns(Notice):
            trace(model, example_inputs=examples)
        assert tape.events == events and list(map(type, tape.modules)).count(KeepsAll) == 1
        after = nn.Linear(4, 4)
        nn.init.zeros_(after.weight)
        assert tape.modules[-1] is after and len(tape.events) == len(events) + 1


@pytest.mark.parametrize(
    ("forward", "why"),
    [
        (
            lambda self, x, mask=None: self.op(x) if mask is None else self.op(x) * mask,
            "decides by its argument 'mask'",
        ),
        (lambda self, *xs: sum(self.op(x) for x in xs), "takes any number of arguments as 'xs'"),
        (lambda self, x, **named: self.op(x) * named.get("scale", 2), "takes any number of arguments as 'named'"),
        (lambda self, x, flag=True: self.op(x) if flag else x, "decides by its argument 'flag'"),
        (lambda self, x, mask: self.op(x) if mask is None else x, "decides by whether a value is None.*'mask'"),
    ],
)
def test_a_space_that_stands_for_several_kinds_of_calls_asks_for_example_inputs(forward: Any, why: str) -> None:
    class Space(ModelSpace):
        def __init__(self) -> None:
            super().__init__()
            self.op = LayerChoice([nn.Linear(4, 4), nn.Identity()], label="op")

    Space.forward = forward  # type: ignore[method-assign]  # one of several
    with pytest.raises(TraceError, match=why):
        trace(Space())
    inputs = (X, None) if "mask" in why and "argument" not in why else (X,)
    assert set(trace(Space(), example_inputs=inputs).search_space.default()) <= {"op"}


class KeepsTwo(nn.Module):
    """Lists of which the forward pass uses the first and the last only."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
        self.factors = nn.ParameterList([nn.Parameter(torch.full((4,), float(i))) for i in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[2][0](self.layers[0](x)) * self.factors[2] + self.factors[0]


def test_a_simplified_model_keeps_the_names_of_what_is_left_of_lists() -> None:
    graph = trace(KeepsTwo).freeze()
    whole, simple = load_module(to_source(graph)), load_module(to_source(simplify(graph)))
    left = {name: tensor for name, tensor in whole.state_dict().items() if ".1." not in name and "s.1" not in name}
    simple.load_state_dict(left, strict=True)
    assert torch.equal(simple(torch.ones(2, 4)), whole(torch.ones(2, 4)))


class Half(ModelSpace):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = LayerChoice([nn.Linear(4, width), nn.Sequential(nn.Linear(4, width), nn.ReLU())])

    def forward(self, x):
        return self.layer(x)


class Whole(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.body = Repeat(Half(4), depth=(0, 2), label="depth")
        self.head = Half(ValueChoice([3, 5], label="width"))

    def forward(self, x):
        return self.head(self.body(x))


def test_a_space_may_stand_in_another():
    space, x = trace(Whole, [torch.randn(2, 4)]), torch.randn(2, 4)
    assert {domain.label for domain in space.search_space} == {"head.layer", "width", "depth", "body.0.layer"}
    assert space.search_space.size() == 20
    assert {space.build(sample)(x).shape[1] for sample in space.search_space.grid()} == {3, 5}
    assert Whole()(x).shape == (2, 3)


def test_what_prints_is_told_to_print_also_where_print_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    safe, own = builtins.print, object()
    monkeypatch.setattr(builtins, "print", lambda *args, **kwargs: own and safe(*args, **kwargs))
    with pytest.warns(Notice, match="prints while it runs"):
        trace(AroundCounts)


@pytest.mark.parametrize("factory", [nn.Linear, lambda width: nn.Linear(width, 2)])
def test_a_factory_that_needs_arguments_is_refused_with_the_cure(factory: Any) -> None:
    with pytest.raises(TraceError, match=r"needs '(in_features|width)': pass a function without arguments"):
        trace(factory)
