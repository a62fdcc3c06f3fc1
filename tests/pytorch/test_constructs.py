"""Which models of the zoo hold which construct: each that must come back has one whose values are compared."""

from __future__ import annotations

import pytest

from tests.pytorch.test_traps import CASES as TRAPS
from tests.pytorch.test_vision import SMALL
from tests.pytorch.test_zoo import CASES

CONSTRUCTS = {
    "nested ModuleList loops": "NestedLists",
    "enumerate, zip and range loops": "Loops StochasticDepth",
    "ModuleDict items and index": "Dicts ModuleDictKey ZipDict",
    "Sequential index, slice and iteration": "Slices",
    "Sequential subclass": "Subclasses",
    "shared modules under one name": "SharedUnderOneName",
    "shared modules under two names": "SharedUnderTwoNames",
    "called twice with different arguments": "CalledDifferently SharedDiffMode Forwards",
    "tied weights": "Tied TiedAcross GPT",
    "parameters and buffers, persistent or not": "Owned Relative Rotary",
    "ParameterList and ParameterDict": "ParameterLists ParamDict Weights",
    "tensor, list, tuple and int attributes": "Values Owned Config",
    "tuple, list and dict returns, nested": "Nested MultipleReturns ReturnsOrdered ReturnsSize",
    "named-tuple returns": "NamedTuples ReturnsNT",
    "dataclass returns": "Dataclasses ReturnsDC",
    "submodules that take and return containers": "NamedTuples Dataclasses Nested UseGetter",
    "default and None arguments": "NoneArguments OptionalInput RequiredNone UnusedOpt",
    "keyword arguments": "KeywordOnly OptionalInputNamed KwOnly PosOnly",
    "*args and **kwargs": "StarArguments VarKw VarArgs Forwards",
    "slices: negative, ellipsis, None, step, mixed int, chained, dynamic": "Indexing Window",
    "masks and index tensors": "Indexing Owned BoolMaskIdx MoESparse",
    "slice assignment": "Writes WritesToInput",
    "in-place operations and reuse after them": "Writes OrderOfEffects ViewsInPlace CopyListIndex InplaceRes",
    "out=": "OutArgument OutArg",
    "shape arithmetic, //, int **, arange, new_zeros": "Shapes Window CoordConv SqrtShape",
    ".to(dtype)": "Types Norms",
    "einsum": "Functions Einsum",
    "F.gelu, pad, interpolate, scaled_dot_product_attention": "Functions Attn FPN",
    "LSTM and GRU with states": "Recurrent",
    "MultiheadAttention with keywords": "Attention AttnWeightsNone",
    "TransformerEncoder": "Attention Enc",
    "if on configuration": "Values EnumSwitch EnumSelf",
    "if on self.training": "StochasticDepth TrainingBranch Noise Attn Aux Steps ScaleT",
    "if on self.training with other steps": "BothDiffer OnlyInTraining OnlyInEval EarlyOut SharesAName ChangedTwice",
    "if on self.training in a loop, and nested": "InALoop LayerDrop NestedModes Recursive",
    "if on the training of a child, or on one passed on": "OfAChild FrozenPart PassesTheFlag PassesADecision",
    "other returns while it trains": "AuxHeadInTraining AuxOrNone DictInTraining NamedTupleInTraining googlenet",
    "stochastic depth": "DropPaths DropPathInline RowMode",
    "statistics of its own": "BatchNormAct Cumulative",
    "if on is None": "NoneArguments OptionalInput AttnWeightsNone OpaqueNone DictGet GradNone",
    "if on shape": "OnShape ShapeIf AssertShape PadSame",
    "super().forward()": "Derived Diamond LeafOverrides SuperState",
    "a self by another name": "OtherSelf",
    "torch.no_grad and autocast": "GradModes EnableGrad AutocastOff InferenceMode EMA",
    "checkpoint": "Checkpointed Checkpoint",
    "data-dependent if and while": "DataDependent",
    "forward that never uses an input": "NeverUsesAnInput",
    "identity body": "Identity",
    "functions of the user's own module": "OwnFunctions HelperMemo",
    "lambdas": "Lambdas",
    "functools.partial modules": "PartialLayers Partial",
    "random numbers of Python, NumPy and torch": "RandomNumbers GlobalRng OwnNpRng ForkRng Gumbel Multinomial",
    "isinstance of a tensor": "Types TypeVarX MatchType",
    "Python state changed in forward": "State ClassAttr GlobalDict ClosureNonlocal KVCache",
    "tensors made on a parameter's device": "Devices",
    "loops over modules() with isinstance and nn.init": "LoopsOverModules Applies GPT",
    ".data.normal_ and the like": "InPlaceOnParts Siren Affine",
    "zero-init residual": "resnet50",
    "attributes changed afterwards": "ChangedAttributes ParamAttr",
    "requires_grad_(False)": "Frozen EMA",
    "deepcopied layers": "Copies CopiedAndChanged CopiesInit",
    ".double()": "Doubled PartlyHalf",
    "hooks": "HooksAndNorms PreHook TensorHook PostAccHook SubHook StateDictHook",
    "parametrizations and weight_norm": "HooksAndNorms Parametrized ParametrizedOwn OldWeightNorm SpecIn",
}


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_a_construct_has_models_that_come_back(construct: str) -> None:
    compared = {case.name for case in (*CASES, *TRAPS)} | set(SMALL)
    assert set(CONSTRUCTS[construct].split()) <= compared
