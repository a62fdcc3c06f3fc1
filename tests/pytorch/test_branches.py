"""Forwards that take other steps while they train: mixed modes, choices inside, mutators, profiles, and the text."""

from __future__ import annotations

import copy
import itertools
import json
import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import raynas
from raynas import InputChoice, LayerChoice, ModelSpace, Mutator, Repeat, ValueChoice
from raynas.errors import CandidateError, GraphError, Notice, TraceError
from raynas.graph import Graph
from raynas.graph.simplify import simplify
from raynas.pytorch import load_module, profile, to_source, trace
from tests.pytorch.check import check, same
from tests.pytorch.test_traps import call
from tests.pytorch.zoo import modes
from tests.pytorch.zoo.case import Base, Case, X

CASES = [case for case in modes.zoo.cases if case.opaque == ()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_module_goes_by_its_own_mode(case: Case) -> None:
    generated = load_module(to_source(trace(case.factory).freeze()))
    original = case.factory()
    generated.load_state_dict(copy.deepcopy(original.state_dict()))
    paths = [path for path, _ in original.named_modules()][:5]
    for bits in itertools.product((True, False), repeat=len(paths)):
        for path, training in zip(paths, bits, strict=True):
            original.get_submodule(path).training = training
            generated.get_submodule(path).training = training
        one, other = (call(model, case.inputs, case.kwargs, True) for model in (original, generated))
        same(one, other, f"training: {dict(zip(paths, bits, strict=True))}")


def forward_of(source: str) -> str:
    """The text of the last forward."""
    return source.rpartition("    def forward")[2]


def test_the_text_reads_as_it_was_written() -> None:
    assert forward_of(check(modes.GoogLeNet, modes.IMG, opaque=())) == (
        """(self, x):
        x = self.conv(x)
        x = self.i1(x)
        if self.training:
            out = self.aux1(x)
        x = self.i2(x)
        if self.training:
            out_2 = self.aux2(x)
        x = self.i3(x)
        x = F.adaptive_avg_pool2d(x, 1)
        x = torch.flatten(x, 1)
        x = self.dropout(x)
        x = self.fc(x)
        if self.training:
            return x, out_2, out
        return x
"""
    )
    assert forward_of(check(modes.DropPath, X, opaque=())) == (
        """(self, x):
        if self.training:
            new_empty = x.new_empty((x.shape[0],) + ((1,) * (x.ndim - 1)))
            new_empty = new_empty.bernoulli_(0.5)
            new_empty.div_(0.5)
            return x * new_empty
        return x
"""
    )
    assert forward_of(check(modes.NestedModes, X, opaque=())) == (
        """(self, x):
        x = self.a(x)
        if self.training:
            x = self.inner(x)
            if self.bn.training:
                x = self.bn(x)
                return x + 1
            return self.b(x)
        if self.bn.training:
            return x * 3
        return x
"""
    )


class Searched(ModelSpace):
    """Choices on both ways, and behind them; with `picks` the same model without them."""

    def __init__(self, **picks: Any) -> None:
        super().__init__()

        def one(label: str, candidates: Any) -> Any:
            return candidates[picks[label]]() if picks else LayerChoice([make() for make in candidates], label=label)

        width: Any = picks["width"] if picks else ValueChoice([4, 5], label="width")
        self.p: Any = picks["p"] if picks else ValueChoice([0.0, 0.5], label="p")
        self.first = nn.Linear(6, width)
        self.aux = one("aux", [lambda: nn.Linear(width, 2), lambda: nn.Sequential(nn.Linear(width, 2), nn.Tanh())])
        self.late = one("late", [nn.Identity, lambda: nn.BatchNorm1d(width), raynas.nn.Zero])
        depth: Any = ValueChoice([0, 2], label="depth")
        block = lambda index: modes.DropPath(0.5)  # noqa: E731
        self.deep: Any = (
            nn.Sequential(*(block(i) for i in range(picks["depth"]))) if picks else Repeat(block, depth)  # type: ignore[arg-type]
        )
        self.pick: Any = (lambda values: values[picks["pick"]]) if picks else InputChoice(2, label="pick")
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Any:
        x = self.first(x)
        if self.training:
            aux = self.aux(x)
            x = F.dropout(x, self.p)
        else:
            x = self.late(x)
        y = self.deep(x)
        if not self.training:
            y = self.pick([y, x])
        y = self.last(y)
        return (y, aux) if self.training else y


def test_choices_stand_on_either_way() -> None:
    space = trace(Searched())
    assert {domain.label for domain in space.search_space} == {"width", "p", "aux", "late", "depth", "pick"}
    seen: dict[str, set[str]] = {}
    for sample in itertools.islice(space.search_space.grid(), 0, None, 5):
        graph = space.freeze(sample)
        simple = simplify(graph)
        assert Graph.from_json(graph.to_json()).fingerprint() == graph.fingerprint()
        assert simplify(simple).fingerprint() == simple.fingerprint()
        torch.manual_seed(0)
        expected = Searched(**{k: tuple(v) if isinstance(v, list) else v for k, v in sample.items()})
        models = [load_module(to_source(item)) for item in (graph, simple)]
        for model in models:
            state = expected.state_dict()
            model.load_state_dict({name: state[name] for name in model.state_dict()}, strict=True)
        for training in (True, False):
            expected.train(training)
            wanted = call(expected, (X,), {}, False)
            for model in models:
                model.train(training)
                same(wanted["result"], call(model, (X,), {}, False)["result"], f"{sample}, training: {training}")
        seen.setdefault(simple.fingerprint(), set()).add(to_source(simple))
    assert all(len(texts) == 1 for texts in seen.values())


class Guarded(Base):
    """Has a choice in what it computes while it trains, and decides by its values."""

    def __init__(self, decides: bool) -> None:
        super().__init__()
        self.decides = decides
        self.op = LayerChoice([nn.ReLU(), nn.Tanh()], label="op")

    def forward(self, x: Tensor) -> Tensor:
        y = self.lin(x)
        if self.training:
            y = self.op(y)
            if self.decides and y.sum() > 0:
                y = y + 1
        return y


def test_a_choice_on_one_way_is_searched_and_one_that_cannot_be_says_so() -> None:
    with raynas.recording():
        fine, wrong = Guarded(False), Guarded(True)
    assert len(trace(fine).search_space) == 1
    with pytest.raises(TraceError, match=r"cannot be opened \(.*decides by a value.*but the choice 'op' stands inside"):
        trace(wrong)


class FailsInEval(Base):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            raise RuntimeError("only for training")
        return self.lin(x)


def test_a_way_that_fails_keeps_its_module_whole() -> None:
    with pytest.warns(Notice, match="RuntimeError: only for training"):
        model = load_module(to_source(trace(FailsInEval).freeze()))
    assert model(X).shape == X.shape
    with pytest.raises(RuntimeError, match="only for training"):
        model.eval()(X)


def test_more_than_eight_ways_are_not_followed() -> None:
    with pytest.warns(Notice, match="decides in more than 8 ways by which modules train"):
        trace(modes.too_many_ways)


class Either(Base):
    def __init__(self, order: bool = False, always: bool = False, frozen: bool = False) -> None:
        super().__init__()
        self.other = nn.Linear(6, 6)
        self.order, self.always = order, always
        if frozen:
            self.eval()

    def forward(self, x: Tensor) -> Tensor:
        y, z = self.lin(x), self.other(x)
        if self.always:
            return y - z.relu()
        if self.training:
            return y - (z.tanh() if self.order else z.relu())
        return y - (z.relu() if self.order else z.tanh())


def test_which_steps_run_when_counts_in_the_fingerprint() -> None:
    models = [lambda: Either(), lambda: Either(order=True), lambda: Either(always=True), lambda: Either(frozen=True)]
    found = [simplify(trace(model).freeze()).fingerprint() for model in models]
    assert len(set(found)) == len(models)
    again = [simplify(trace(model).freeze()).fingerprint() for model in models]
    assert found == again


class Alike(Base):
    """Twice the same, as far as a search can tell: a choice on each way."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = nn.ModuleList(LayerChoice([nn.ReLU(), nn.Tanh()], label=label) for label in ("yes", "no"))

    def forward(self, x: Tensor) -> Tensor:
        x = self.lin(x)
        return self.ops[0](x) if self.training else self.ops[1](x)


class Plain(Base):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.lin(x))


class PlainTanh(Base):
    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.tanh(self.lin(x))


def test_ways_that_are_equal_become_one() -> None:
    with raynas.recording():
        model = Alike()
    space = trace(model)
    both, other = (simplify(space.freeze({"yes": 1, "no": no})) for no in (1, 0))
    assert both.fingerprint() == simplify(trace(PlainTanh).freeze()).fingerprint() != other.fingerprint()
    assert "self.training" not in to_source(both) and "self.training" in to_source(other)


class AddsNorm(Mutator):
    """Puts a unit on the edge from the auxiliary head, and one before the last step."""

    def __init__(self, where: str) -> None:
        self.where = where

    def mutate(self, graph: Graph) -> None:
        chosen = graph.find(op="select")[-1]
        if self.where == "one way":
            (drop,) = graph.find(target="b")
            graph.insert_on_edge(drop, chosen, "norm", nn.LayerNorm(6))
        elif self.where == "other way":
            (first,) = graph.find(target="a")
            graph.insert_on_edge(first, chosen, "norm", nn.LayerNorm(6))
        else:
            (inside,) = graph.find(target="b")
            for user in chosen.users:
                user.replace_input_with(chosen, inside)


class OneWay(modes.Two):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.training:
            x = self.b(x)
        return x * 2


def test_mutators_work_inside_a_way() -> None:
    one = forward_of(to_source(trace(OneWay, mutators=[AddsNorm("one way")]).freeze()))
    assert (
        "        if self.training:\n            x = self.b(x)\n            x = self.norm(x)\n        return x * 2"
        in one
    )
    other = forward_of(to_source(trace(OneWay, mutators=[AddsNorm("other way")]).freeze()))
    assert "            x = self.b(x)\n        else:\n            x = self.norm(x)\n        return x * 2" in other
    with pytest.raises(GraphError, match=r"node 'mul' .* uses 'b', which only runs if training"):
        _ = trace(OneWay, mutators=[AddsNorm("wrong")]).search_space


class Misfit(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(6, 3)
        self.aux = LayerChoice([nn.Linear(6, 3), nn.Linear(6, 4)], label="aux")

    def forward(self, x: Tensor) -> Any:
        y = self.main(x)
        if self.training:
            return y + self.aux(x)
        return y


def test_a_profile_counts_what_runs_in_eval_and_tries_what_runs_in_training() -> None:
    space = trace(Misfit())
    found = profile(space.freeze({"aux": 0}), (X,))
    assert found.flops == 2 * 2 * 6 * 3 and found.params == 2 * (6 * 3 + 3)
    with pytest.raises(CandidateError, match=r"x = self.aux|the candidate cannot run"):
        profile(space.freeze({"aux": 1}), (X,), {"aux": 1})


def test_a_batch_of_one_is_no_reason_against_a_candidate() -> None:
    profile(trace(modes.BatchNormAct).freeze(), (torch.ones(1, 3, 1, 1),))


def changed(graph: Graph, change: Any) -> str:
    document = json.loads(graph.to_json())
    change(document["graph"]["nodes"])
    return json.dumps(document)


WRONG = {
    "uses a value of one way": (lambda nodes: nodes[3].pop("when"), "uses 'b', which only runs if training"),
    "both at once": (
        lambda nodes: nodes[2].update(when=[["training", True], ["training", False]]),
        "hangs twice on the same mode",
    ),
    "no flag": (lambda nodes: nodes[2].update(when=[["weight", True]]), "hangs on 'weight', which is no module's"),
    "no module": (lambda nodes: nodes[2].update(when=[["c.training", True]]), "hangs on 'c.training'"),
    "no truth": (lambda nodes: nodes[2].update(when=[["training", 1]]), "is 1, which is neither true nor false"),
    "no pairs": (lambda nodes: nodes[2].update(when=["training"]), "which is no list of pairs"),
    "one value": (lambda nodes: nodes[4]["args"].pop(), "has 1 arguments: a select takes 2"),
    "an input": (lambda nodes: nodes[0].update(when=[["training", True]]), "is an input that only runs in some modes"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_document_whose_ways_do_not_fit_is_refused(wrong: str) -> None:
    change, message = WRONG[wrong]
    graph = trace(BothAdd).freeze()
    assert [node.op for node in graph.nodes] == ["input", "module", "module", "function", "select", "output"]
    with pytest.raises(GraphError, match=message):
        Graph.from_json(changed(graph, change))


class BothAdd(modes.Two):
    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.training:
            return self.b(x) - 1
        return x


def test_example_inputs_prove_both_ways() -> None:
    for case in CASES[:12]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Notice)
            trace(case.factory, example_inputs=case.inputs)
