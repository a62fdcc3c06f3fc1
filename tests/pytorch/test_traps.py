"""Never wrong: what torch.fx would follow into something else comes back right, or is kept whole.

Each model is called several times: with other shapes, in train and in eval, with gradients and without. What the calls
return, leave in the inputs and in the model's state, which random numbers they take, and all gradients are compared.
"""

from __future__ import annotations

import copy
import importlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raynas.errors import Notice
from raynas.pytorch import load_module, to_source, trace
from tests.pytorch.check import copied, same, same_members, tensors
from tests.pytorch.zoo import between, hidden, initial, models, modes, questions, state, surroundings, ways
from tests.pytorch.zoo.case import Case

CASES = [
    case
    for room in (state, questions, hidden, ways, models, surroundings, initial, between, modes)
    for case in room.zoo.cases
]
SLOW = [pytest.param(case, id=case.name, marks=pytest.mark.slow) for case in CASES if not case.kwargs]

NAMES = """
Affine AndT AssertAnd AssertFails AssertShape Attn AttnBlock BNEval BigLiteral BoolMaskIdx BufferAlias CallsOpt
CeilShape ChannelsLast Checkpoint ComplexParam Config CoordConv CopiesInit CopyListIndex Cum DataAttr Diamond
DictOverwrite DictOverwrite2 Drop1 DropBN Einsum EmptyOut Enc EnumSelf FPN FactoryEdits Forwards FromParam GenFn
Generic Getter GradInForward GradX Groups Gumbel Hyper Iadd InnerInplace InplaceRes InputInPlace InstanceForward
InstanceForwardInner ItemCase KaimingA KwOnly LazyLayers LeafKeeps Lengths ListOfModules ListPop LoopTable
MadeInForward MaskedAttn MoE MoESparse ModuleDictKey ModuleInClosure Multinomial NestedFns NoOut NoneChild Norms NotT
NpScalars NumDefault Orth OutArg ParamAttr ParamDict Partial PassThrough PatchedForward2 QuantStubs RShift RandomPy
ReadsAfterModule Recurrent Reduce Registry Replace RetainGrad ReturnsDC ReturnsNT ReturnsNoneInner ReturnsOrdered
ReturnsSelfAttr ReturnsSize Rotary SE Scale ScaleT SetIter ShapeThenUnsqueeze SharedDiffMode Siren Slices SplitSizes
SqrtShape StaticM StrOut StrT TempList TensorOfShape ToDouble TorchSize0 TrainAnd TrainOr TupleUnpack UnusedOpt
UseGetter VAE VQ ViewsInPlace Walrus Weights WhileC Window ZipDict
"""
OPEN = frozenset([*NAMES.split(), *(case.name for case in modes.zoo.cases if case.opaque == ())])
"""Those that are opened, and must stay so."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_cannot_be_followed_is_never_followed_wrongly(case: Case) -> None:
    comes_back(case, {})


@pytest.mark.parametrize("case", SLOW)
def test_example_inputs_change_nothing_of_that(case: Case) -> None:
    comes_back(Case(case.name, case.factory, case.inputs), {"example_inputs": copied(case.inputs)})


def comes_back(case: Case, options: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Notice)
        source = to_source(trace(fresh(case), **options).freeze())
    for notice in caught:
        if issubclass(notice.category, Notice) and "kept whole" in str(notice.message):
            named = ".py:" in str(notice.message) or "FakeQuantize" in str(notice.message)  # whose lines are torch's
            assert case.name not in OPEN, notice.message
            assert named or "was given" in str(notice.message), "no line is named"
    torch.manual_seed(5)
    original = fresh(case)()
    same_weights = copy.deepcopy(original.state_dict())
    first = list(calls(original, case))
    torch.manual_seed(5)
    fresh(case)
    generated = load_module(source)
    if case.name != "LazyLayers":
        same_members(fresh(case)(), load_module(source), values=False, attributes=False)
    if case.name not in ("LazyLayers", "SparseBuf"):
        same(dict(same_weights), dict(generated.state_dict()), "fresh")
    generated.load_state_dict(same_weights, strict=True)
    for position, (one, other) in enumerate(zip(first, calls(generated, case), strict=True)):
        same(one, other, f"call {position}")
    same(dict(original.state_dict()), dict(generated.state_dict()), "state")
    for (name, ours), (_, theirs) in zip(original.named_parameters(), generated.named_parameters(), strict=True):
        assert vars(ours) == vars(theirs), name


def fresh(case: Case) -> Any:
    """The factory; where models keep state outside themselves, as in a process that has just begun."""
    if case.factory.__module__ not in (state.__name__, surroundings.__name__):
        return case.factory
    return getattr(importlib.reload(sys.modules[case.factory.__module__]), case.name)


def calls(model: nn.Module, case: Case) -> Iterator[dict[str, Any]]:
    """What each of a series of calls does."""
    for training in (True, False):
        model.train(training)
        for gradients in (True, False):
            for inputs in (case.inputs, *case.others, case.inputs):
                yield call(model, inputs, case.kwargs, gradients)


def call(model: nn.Module, inputs: Any, kwargs: Any, gradients: bool) -> dict[str, Any]:
    args, named = copied((inputs, kwargs))
    torch.manual_seed(11)
    model.zero_grad()
    with torch.set_grad_enabled(gradients):
        try:
            result = model(*args, **named)
            if gradients:
                backward(result)
        except Exception as error:  # whatever the original raises: the generated one must, too
            return {"error": type(error).__name__}
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    found = {"result": result, "requires": [t.requires_grad for t in tensors(result)], "gradients": grads}
    kept = {"inputs": args, "random": torch.get_rng_state()}
    return {name: detached(value) for name, value in (found | kept).items()}


def backward(result: Any) -> None:
    parts = [t.abs().sum() if t.is_complex() else t.float().sum() for t in tensors(result) if t.requires_grad]
    if parts:
        sum(parts[1:], parts[0]).backward()  # type: ignore[no-untyped-call]  # torch's own


def detached(value: Any) -> Any:
    """A value as it is now: its tensors may be changed in place by the next call."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(map(detached, value))
    return {key: detached(item) for key, item in value.items()} if type(value) is dict else value
