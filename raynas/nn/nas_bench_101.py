"""NasBench101Cell: a graph of at most seven vertices and nine edges (Ying et al., 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from raynas.errors import SpaceError
from raynas.nn.candidates import Operation, Operations, built, named
from raynas.nn.input_choice import InputChoice
from raynas.nn.layer_choice import LayerChoice
from raynas.search_space import DomainLeaf, Expression, Leaf
from raynas.search_space.where import users_line
from raynas.search_space.wiring import Wiring

Projection = Callable[[Any, Any], nn.Module]


class NasBench101Cell(nn.Module):
    """Chooses how many vertices there are, how they are wired, and the operation of each between input and output.

    The choices are `{label}.nodes`; `{label}.edges_{n}`, for each number of vertices the wirings in which every vertex
    lies on a way from the input to the output; and `{label}.op_{i}` for vertex `i`. The output is the concatenation of
    what feeds it, which shares its channels out; where channels differ between other vertices, the first ones are
    taken; an edge from the input is a projection. An edge from the input to the output is added.

    Args:
        op_candidates: functions of a number of features that build a module, or modules, of which each vertex gets a
            copy.
        in_features: of the input.
        out_features: of the output.
        projection: builds, of the number of input and of output features, what an edge from the input does.
        max_num_nodes: how many vertices there are at most, input and output among them.
        max_num_edges: how many edges there are at most.
        label: two cells of one label make the same choices; by default each is named after where it stands.
    """

    def __init__(
        self,
        op_candidates: Operations,
        in_features: int,
        out_features: int,
        projection: Projection,
        max_num_nodes: int = 7,
        max_num_edges: int = 9,
        label: str | None = None,
    ) -> None:
        super().__init__()
        owner = f"NasBench101Cell '{label}'"
        if max_num_nodes < 2 or max_num_edges < 1:
            raise SpaceError(
                f"{users_line()}: {owner} may have {max_num_nodes} vertices and {max_num_edges} edges: "
                "allow two vertices and an edge"
            )
        operations = named(op_candidates, owner)

        def name(part: str) -> str | None:
            return f"{label}.{part}" if label else None

        picks = {vertex: Leaf(list(operations), name(f"op_{vertex}")) for vertex in range(1, max_num_nodes - 1)}
        wired: dict[int, nn.Module] = {}
        for count in range(2, min(max_num_nodes, max_num_edges + 1) + 1):
            domain = Wiring(name(f"edges_{count}") or "unlabelled", vertices=count, max_edges=max_num_edges)
            if domain.size() == 1:
                edges: Any = domain.default
            else:
                edges = DomainLeaf(domain, name(f"edges_{count}"))
            wired[count] = (
                projection(in_features, out_features)
                if count == 2
                else _Wired(count, edges, operations, picks, in_features, out_features, projection, owner)
            )
        self.wired = LayerChoice(wired, name("nodes"))

    def forward(self, x: Tensor) -> Any:
        """The output vertex."""
        return self.wired(x)


class _Wired(nn.Module):
    """The cell with a fixed number of vertices.

    Attributes:
        channels: of each vertex between input and output; expressions.
    """

    def __init__(
        self,
        count: int,
        edges: Expression,
        operations: Mapping[Any, Operation],
        picks: Mapping[int, Leaf],
        in_features: int,
        out_features: int,
        projection: Projection,
        owner: str,
    ) -> None:
        super().__init__()
        self.count = count
        self.channels = [Expression("vertex_channels", edges, out_features, v) for v in range(1, count - 1)]
        for vertex in range(1, count):
            feeding = Expression("getitem", edges, vertex - 1)
            from_input = Expression("contains", feeding, 0)
            width = self.channels[vertex - 1] if vertex < count - 1 else out_features
            projected = {True: projection(in_features, width), False: nn.Identity()}
            self.add_module(f"project_{vertex}", LayerChoice(projected, pick=from_input))
            if vertex < count - 1:
                self.add_module(f"inputs_{vertex}", InputChoice(vertex, None, pick=feeding))
                ops = built(operations, owner, width)
                self.add_module(f"op_{vertex}", LayerChoice(ops, pick=picks[vertex]))
            else:
                inner = Expression("if", from_input, Expression("getitem", feeding, slice(1, None)), feeding)
                self.merge = InputChoice(vertex, None, "concat", pick=inner)
                self.outputs = InputChoice(2, None, pick=Expression("if", from_input, (0, 1), (0,)))

    def forward(self, x: Tensor) -> Any:
        states: list[Any] = [x]
        for vertex in range(1, self.count - 1):
            width = self.channels[vertex - 1]
            projected = self.get_submodule(f"project_{vertex}")(x)
            feeding = [projected, *(state[:, :width] for state in states[1:])]
            states.append(self.get_submodule(f"op_{vertex}")(self.get_submodule(f"inputs_{vertex}")(*feeding)))
        projected = self.get_submodule(f"project_{self.count - 1}")(x)
        return self.outputs(self.merge(*states), projected)
