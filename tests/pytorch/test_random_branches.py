"""Property: whatever a forward does otherwise while it trains, it does so when it comes back."""

from __future__ import annotations

import copy
import os
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from raynas.graph import Graph
from raynas.graph.simplify import simplify
from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.check import same

EXAMPLES = int(os.environ.get("RAYNAS_EXAMPLES", "60"))
X = torch.linspace(-1, 1, 12).reshape(3, 4)

PLACES = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["layer", "norm", "relu", "noise", "let", "dropout", "below"]), PLACES, PLACES),
    st.tuples(st.sampled_from(["add", "sub", "mul", "iadd"]), PLACES, PLACES, PLACES),
    st.tuples(st.just("scale"), PLACES, PLACES, st.sampled_from([(1.0, 2.0), (0.5, 0.5), (2, 0.25)])),
    st.tuples(st.sampled_from(["double_", "write", "read"]), PLACES, PLACES),
)
RETURNS = st.tuples(st.just("return"), st.sampled_from(["one", "tuple", "dict"]), PLACES, PLACES)


def blocks(inner: Any) -> Any:
    last = st.one_of(st.just(()), RETURNS.map(lambda step: (step,)))
    block = st.builds(lambda steps, end: (*steps, *end), st.lists(inner, max_size=3), last)
    return st.tuples(st.just("if"), st.sampled_from(["own", "child"]), block, block)


FORWARDS = st.builds(
    lambda steps, end: (*steps, end),
    st.lists(st.recursive(STEPS, blocks, max_leaves=8), min_size=2, max_size=7),
    RETURNS,
)


class Below(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Any:
        if self.training:
            return self.lin(x), x + torch.rand(1)
        return x, self.lin(x).relu()


class Program(nn.Module):
    """Runs its steps on four variables, of which the first is the input."""

    def __init__(self, steps: Any) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.full((4,), 1.5))
        self.child = Below()

    def forward(self, x: Tensor) -> Any:
        values = [x, x * 1, x + 1, self.scale * x]
        return self.run(self.steps, values)[1]

    def run(self, steps: Any, values: list[Any]) -> tuple[bool, Any]:
        for step in steps:
            kind, to, *args = step
            if kind == "if":
                branch = args[0] if (self.training if to == "own" else self.child.training) else args[1]
                done, result = self.run(branch, values)
                if done:
                    return True, result
            elif kind == "return":
                one, other = (values[place] for place in args)
                return True, one if to == "one" else (one, other) if to == "tuple" else {"one": one, "other": other}
            elif kind == "iadd":
                values[to] = values[to] * 1
                values[to] += values[args[0]]
            elif kind == "double_":
                values[to] = (values[args[0]] * 1).mul_(2)
            elif kind == "write":
                values[to] = values[to] * 1
                values[to][0] = values[args[0]][1].detach()
            elif kind == "below":
                one, other = self.child(values[args[0]])
                values[to] = one + 2 * other
            elif kind in ("add", "sub", "mul"):
                one, other = (values[place] for place in args)
                values[to] = one + other if kind == "add" else one - other if kind == "sub" else one * other
            else:
                values[to] = self.compute(kind, to, values[args[0]], args)
        return False, None

    def compute(self, kind: str, to: int, x: Any, args: Any) -> Any:
        if kind == "layer":
            return self.layers[to](x)
        if kind == "norm":
            return self.norm(x)
        if kind == "relu":
            return torch.relu(x)
        if kind == "noise":
            return x + torch.randn_like(x)
        if kind == "dropout":
            return F.dropout(x, 0.5, self.training)
        if kind == "read":
            return x[:, 1:3].sum(1, keepdim=True) + x
        if kind == "scale":
            yes, no = args[1]
            return x * (yes if self.training else no)
        return x


def results(model: nn.Module, own: bool, child: bool) -> list[Any]:
    model.train(own)
    if hasattr(model, "child"):
        model.child.train(child)
    model.zero_grad()
    torch.manual_seed(3)
    x = X.clone().requires_grad_()
    result = model(x)
    parts = list(result.values()) if isinstance(result, dict) else result if isinstance(result, tuple) else (result,)
    sum(part.square().sum() for part in parts).backward()
    grads = [None if leaf.grad is None else leaf.grad.clone() for leaf in (*model.parameters(), x)]
    return [result, grads, torch.get_rng_state(), [buffer.clone() for buffer in model.buffers()]]


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(FORWARDS)
def test_a_forward_with_branches_comes_back_as_it_went_in(steps: Any) -> None:
    graph = trace(lambda: Program(steps)).freeze()
    assert graph.nodes, "kept whole"
    source = to_source(graph)
    read = Graph.from_json(graph.to_json())
    assert to_source(read) == source and read.fingerprint() == graph.fingerprint()
    torch.manual_seed(5)
    original = Program(steps)
    torch.manual_seed(5)
    generated = load_module(source)
    same(dict(original.state_dict()), dict(generated.state_dict()), "fresh")
    simple = load_module(to_source(simplify(graph)))
    for own in (True, False):
        for child in (True, False):
            before = copy.deepcopy(original.state_dict())
            expected = results(original, own, child)
            generated.load_state_dict(before)
            same(expected, results(generated, own, child), "generated")
            simple.load_state_dict({name: before[name] for name in simple.state_dict()})
            found = results(simple, own, child)
            if torch.equal(found[2], expected[2]):  # else it left out a draw that nobody looks at
                same(expected[0], found[0], "simplified")
    assert simplify(graph).fingerprint() == simplify(read).fingerprint()
