"""profile: what a candidate costs and gives, found without training it and without a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from raynas.errors import CandidateError, GraphError
from raynas.graph import Graph
from raynas.pytorch.inputs import arguments
from raynas.pytorch.profiling.abstract import specs_of
from raynas.pytorch.profiling.report import Layer, Profile, TensorSpec
from raynas.pytorch.profiling.walk import Walk
from raynas.pytorch.profiling.whole import run_whole

__all__ = ["Layer", "Profile", "TensorSpec", "profile"]

ONE_VALUE = "more than 1 value per channel"
"""What torch says where a batch is too small to normalise: the training's own may be larger."""


def profile(graph: Graph, example_inputs: Sequence[Any] | Tensor, sample: Mapping[str, Any] | None = None) -> Profile:
    """Parameters, FLOPs, activations and shapes of a frozen graph, in eval mode, for one call with these inputs.

    Where steps run only while a module trains, they are run as well, to see whether they can.

    The graph runs on meta tensors, node by node; what a unit or function gave for these input shapes before is not
    found out again. Where that says nothing certain (data-dependent code, devices named in the source, an error), the
    generated module runs as a whole: on fake tensors, and in the last place on real ones.

    Args:
        graph: a frozen graph.
        example_inputs: the arguments of one call, or its only one. FLOPs and activations grow with their batch: give a
            batch of one for the numbers that papers print.
        sample: the choices that led to the graph, for the error message.

    Raises:
        CandidateError: the candidate cannot run; names the line of the generated source, and the choices.
        GraphError: a choice is not made.
    """
    inputs = arguments(example_inputs)
    found = _profiled(graph, inputs, sample, False)
    if any(node.when for part in graph.subgraphs() for node in part.nodes):
        try:
            _profiled(graph, inputs, sample, True)
        except CandidateError as error:
            if ONE_VALUE not in str(error):
                raise
    return found


def _profiled(graph: Graph, inputs: tuple[Any, ...], sample: Mapping[str, Any] | None, training: bool) -> Profile:
    try:
        walk = Walk(graph, training)
        output = walk.run(specs_of(inputs))
    except GraphError:
        raise
    except Exception:  # Unclear, or whatever the layers raise: the module itself decides
        return run_whole(graph, inputs, sample, training)
    return Profile.of(walk.rows(), output)
