"""A model and mutators of it, at the top level of a module, as those of a user are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raynas import Graph, LayerChoice, ModelSpace, Mutator, Placeholder, ValueChoice


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.line = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.line(x))


class Gate(nn.Module):
    """What a mutator puts in: a module that is opened."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.line = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.line(x))


class Net(ModelSpace):
    def __init__(self) -> None:
        super().__init__()
        width = ValueChoice([3, 5], label="width")
        self.stem = nn.Linear(4, width)
        self.act = LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()}, label="act")
        self.first = Block(width)
        self.second = Block(width)
        self.middle = Placeholder("middle", width=4)
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(self.act(self.stem(x))))
        return self.head(self.middle(x))


class Fill(Mutator):
    """Puts something in the placeholder's place, or takes it out."""

    def __init__(self, kinds: Sequence[type[nn.Module]] = (nn.ReLU, nn.Tanh)) -> None:
        self.kinds = kinds

    def mutate(self, graph: Graph) -> None:
        (node,) = graph.find(label="middle")
        kind = self.choose("kind", ["none", "unit", "gate"])
        if kind == "none":
            graph.remove(node)
        elif kind == "unit":
            graph.replace(node, self.choose("unit", list(self.kinds))())
        else:
            width = ValueChoice([3, 5], label="width")
            dropout = nn.Dropout(ValueChoice([0.1, 0.2], label="dropout"))
            graph.replace(node, nn.Sequential(Gate(width), dropout))


class Skip(Mutator):
    """A connection around each block."""

    def mutate(self, graph: Graph) -> None:
        for number, block in enumerate(graph.find(type=Block)):
            if self.choose(f"skip{number}", [False, True]):
                source = next(block.inputs())
                with graph.inserting_after(block):
                    total = graph.call_function(torch.add, (block, source))
                for user in block.users:
                    if user is not total:
                        user.replace_input_with(block, total)


class Inside(Mutator):
    """Another function inside the blocks."""

    def mutate(self, graph: Graph) -> None:
        for number, node in enumerate(graph.find(target=torch.relu)):
            if self.choose(f"inside{number}", ["relu", "gelu"]) == "gelu":
                with graph.inserting_after(node):
                    other = graph.call_function(nn.functional.gelu, node.args)
                node.replace_all_uses_with(other)
                graph.erase_node(node)
