"""profile: what a candidate costs and gives, found without training it and without a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raynas.errors import GraphError
from raynas.graph import Graph
from raynas.pytorch.profiling.abstract import specs_of
from raynas.pytorch.profiling.report import Layer, Profile, TensorSpec
from raynas.pytorch.profiling.walk import Walk
from raynas.pytorch.profiling.whole import run_whole

__all__ = ["Layer", "Profile", "TensorSpec", "profile"]


def profile(graph: Graph, example_inputs: Sequence[Any], sample: Mapping[str, Any] | None = None) -> Profile:
    """Parameters, FLOPs, activations and shapes of a frozen graph, in eval mode, for one call with these inputs.

    The graph runs on meta tensors, node by node; what a unit or function gave for these input shapes before is not
    found out again. Where that says nothing certain (data-dependent code, devices named in the source, an error), the
    generated module runs as a whole: on fake tensors, and in the last place on real ones.

    Args:
        graph: a frozen graph.
        example_inputs: the arguments of one call. FLOPs and activations grow with their batch: give a batch of one for
            the numbers that papers print.
        sample: the choices that led to the graph, for the error message.

    Raises:
        CandidateError: the candidate cannot run; names the line of the generated source, and the choices.
        GraphError: a choice is not made.
    """
    try:
        walk = Walk(graph)
        output = walk.run(specs_of(tuple(example_inputs)))
    except GraphError:
        raise
    except Exception:  # Unclear, or whatever the layers raise: the module itself decides
        return run_whole(graph, tuple(example_inputs), sample)
    return Profile.of(walk.rows(), output)
