"""NasBench201Cell: a complete graph with an operation on every edge (Dong and Yang, 2020)."""

from __future__ import annotations

from torch import Tensor, nn

from raynas.errors import SpaceError
from raynas.nn.candidates import Operations, built, named
from raynas.nn.layer_choice import LayerChoice
from raynas.search_space.where import users_line


class NasBench201Cell(nn.Module):
    """Tensor 0 is the input; each other one is the sum of an operation on each before it; the last is the output.

    The operation from tensor `i` to tensor `j` is the choice `{label}.op_{i}_{j}`.

    Args:
        op_candidates: functions of the number of input and of output features that build a module, or modules, of
            which each edge gets a copy.
        in_features: of the input.
        out_features: of all other tensors.
        num_tensors: how many there are, the input among them.
        label: two cells of one label make the same choices; by default each is named after where it stands.
    """

    def __init__(
        self,
        op_candidates: Operations,
        in_features: int,
        out_features: int,
        num_tensors: int = 4,
        label: str | None = None,
    ) -> None:
        super().__init__()
        owner = f"NasBench201Cell '{label}'"
        if type(num_tensors) is not int or num_tensors < 2:
            raise SpaceError(f"{users_line()}: {owner} has num_tensors={num_tensors!r}: give a whole number from 2")
        operations = named(op_candidates, owner)
        self.num_tensors = num_tensors
        for j in range(1, num_tensors):
            for i in range(j):
                candidates = built(operations, owner, in_features if i == 0 else out_features, out_features)
                self.add_module(f"op_{i}_{j}", LayerChoice(candidates, f"{label}.op_{i}_{j}" if label else None))

    def forward(self, x: Tensor) -> Tensor:
        """The last tensor."""
        tensors = [x]
        for j in range(1, self.num_tensors):
            total = self.get_submodule(f"op_0_{j}")(tensors[0])
            for i in range(1, j):
                total = total + self.get_submodule(f"op_{i}_{j}")(tensors[i])
            tensors.append(total)
        return tensors[-1]
