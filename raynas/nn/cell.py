"""Cell: a small graph whose every node chooses its operations and their inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from raynas.errors import SpaceError
from raynas.nn.candidates import Operations, built, named, takes_place
from raynas.nn.input_choice import InputChoice, reduced
from raynas.nn.layer_choice import LayerChoice
from raynas.search_space import Expression
from raynas.search_space.where import users_line

Preprocessor = nn.Module | Callable[[list[Tensor]], Sequence[Tensor]]
Postprocessor = nn.Module | Callable[[Tensor, list[Tensor]], Any]


class Cell(nn.Module):
    """The cell of ENAS, NASNet and DARTS: nodes that each add up some operations on what came before.

    Call it with its predecessors' outputs, or with one list of them. Inputs and nodes are counted together: the inputs
    are 0 to `num_predecessors` - 1, the nodes follow. Operation `k` of node `i` is the choice `{label}.op_{i}_{k}`, its
    input the choice `{label}.input_{i}_{k}`.

    Args:
        op_candidates: modules, of which each place gets a copy; or functions that build one: of nothing, of the node,
            of the node and the operation's position in it, or of these and the input, which then has operations of its
            own for each input that may be chosen.
        num_nodes: how many nodes there are.
        num_ops_per_node: how many operations each node adds up.
        num_predecessors: how many inputs the cell takes.
        merge_op: `all` merges all nodes, `loose_end` those that no other node takes as its input.
        reduction: how the nodes are merged: `concat` along dimension 1, or `sum`.
        preprocessor: makes of the list of inputs another one of the same length.
        postprocessor: makes of the merged nodes and the list of inputs, as the cell was given them, what it returns.
        label: two cells of one label make the same choices; by default each is named after where it stands.

    Attributes:
        num_merged: how many nodes are merged; under `loose_end` an expression, for the width of the layer that follows.
    """

    def __init__(
        self,
        op_candidates: Operations,
        num_nodes: int,
        num_ops_per_node: int = 1,
        num_predecessors: int = 1,
        merge_op: Literal["all", "loose_end"] = "all",
        reduction: Literal["concat", "sum"] = "concat",
        preprocessor: Preprocessor | None = None,
        postprocessor: Postprocessor | None = None,
        label: str | None = None,
    ) -> None:
        super().__init__()
        owner = f"Cell '{label}'"
        for name, value in (
            ("num_nodes", num_nodes),
            ("num_ops_per_node", num_ops_per_node),
            ("num_predecessors", num_predecessors),
        ):
            if type(value) is not int or value < 1:
                raise SpaceError(f"{users_line()}: {owner} has {name}={value!r}: give a whole number from 1")
        if merge_op not in ("all", "loose_end") or reduction not in ("concat", "sum"):
            raise SpaceError(
                f"{users_line()}: {owner} merges by {merge_op!r} and {reduction!r}: "
                "use 'all' or 'loose_end', and 'concat' or 'sum'"
            )
        operations = named(op_candidates, owner)
        self.num_nodes, self.num_ops_per_node, self.num_predecessors = num_nodes, num_ops_per_node, num_predecessors
        self.reduction = reduction
        self.preprocessor, self.postprocessor = preprocessor, postprocessor
        picks: list[tuple[int, Expression]] = []
        for node in range(num_predecessors, num_predecessors + num_nodes):
            for position in range(num_ops_per_node):
                place = f"{node}_{position}"
                op_label, input_label = (f"{label}.{what}_{place}" if label else None for what in ("op", "input"))
                if any(takes_place(operation, 3) for operation in operations.values()):
                    # Each input has operations of its own, so the choice of the input is one among those.
                    edges = [
                        _Edge(i, LayerChoice(built(operations, owner, node, position, i), op_label))
                        for i in range(node)
                    ]
                    source: InputChoice | LayerChoice = LayerChoice(edges, input_label)
                    if not label:
                        _share(edges)
                else:
                    source = InputChoice(node, label=input_label)
                    self.add_module(f"op_{place}", LayerChoice(built(operations, owner, node, position), op_label))
                self.add_module(f"input_{place}", source)
                picks.append((node, source.pick))
        self.merge = None if merge_op == "all" else InputChoice(num_nodes, None, reduction, pick=_loose(self, picks))
        self.num_merged: Any = num_nodes if self.merge is None else Expression("len", self.merge.pick)

    def forward(self, *inputs: Any) -> Any:
        """The merged nodes, after the postprocessor."""
        given = list(inputs[0] if len(inputs) == 1 < self.num_predecessors else inputs)
        if len(given) != self.num_predecessors:
            raise SpaceError(
                f"{users_line()}: a Cell was called with {len(given)} inputs: it has {self.num_predecessors}"
            )
        states = list(given if self.preprocessor is None else self.preprocessor(given))
        for node in range(self.num_predecessors, self.num_predecessors + self.num_nodes):
            states.append(reduced([self._operated(node, k, states) for k in range(self.num_ops_per_node)], "sum"))
        nodes = states[self.num_predecessors :]
        merged = reduced(nodes, self.reduction) if self.merge is None else self.merge(*nodes)
        return merged if self.postprocessor is None else self.postprocessor(merged, given)

    def _operated(self, node: int, position: int, states: list[Tensor]) -> Any:
        chosen = self._modules[f"input_{node}_{position}"]
        assert chosen is not None
        op = self._modules.get(f"op_{node}_{position}")
        return chosen(*states) if op is None else op(chosen(*states))


class _Edge(nn.Module):
    """An operation on one of several inputs."""

    def __init__(self, index: int, op: LayerChoice) -> None:
        super().__init__()
        self.index = index
        self.op = op

    def forward(self, *states: Any) -> Any:
        return self.op(states[self.index])


def _share(edges: list[_Edge]) -> None:
    """Let the choices of all edges be one."""
    for edge in edges[1:]:
        edge.op.pick = edges[0].op.pick


def _loose(cell: Cell, picks: list[tuple[int, Expression]]) -> Expression:
    """The positions of the nodes that no other node takes as its input."""
    loose: Any = (cell.num_nodes - 1,)
    for position in reversed(range(cell.num_nodes - 1)):
        node = cell.num_predecessors + position
        later: list[Any] = [pick != node for user, pick in picks if user > node]
        free = later[0]
        for other in later[1:]:
            free = Expression("and", free, other)
        loose = Expression("add", Expression("if", free, (position,), ()), loose)
    return loose if isinstance(loose, Expression) else Expression("add", loose, ())
