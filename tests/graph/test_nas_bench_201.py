"""Every cell of NAS-Bench-201 through the project's own space, graphs and fingerprints."""

from collections import defaultdict
from itertools import combinations

import pytest
from torch import nn

from raynas import LayerChoice, ModelSpace, trace
from raynas.graph import simplify
from raynas.nn import Zero

EDGES = [(source, target) for target in range(1, 4) for source in range(target)]


class ReLUConvBN(nn.Sequential):
    def __init__(self, kernel):
        super().__init__(nn.ReLU(), nn.Conv2d(4, 4, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(4))


class Cell(ModelSpace):
    """Four values, an operation on each edge between them."""

    def __init__(self):
        super().__init__()
        for source, target in EDGES:
            operations = {"zero": Zero(), "skip": nn.Identity(), "conv1": ReLUConvBN(1), "conv3": ReLUConvBN(3)}
            operations["pool"] = nn.AvgPool2d(3, 1, 1)
            self.add_module(f"edge{source}{target}", LayerChoice(operations, label=f"{source}{target}"))

    def forward(self, x):
        values = [x]
        for target in range(1, 4):
            value = self.get_submodule(f"edge0{target}")(values[0])
            for source in range(1, target):
                value = value + self.get_submodule(f"edge{source}{target}")(values[source])
            values.append(value)
        return values[3]


def expression(sample, units_end_zeros):
    """What a cell computes, as nested sums: a value is the sorted terms of a sum, a skip splices, a zero is no term."""

    def applied(operation, value):
        if operation == "skip":
            return value
        if operation == "zero" or (not value and (units_end_zeros or operation == "pool")):
            return ()
        return ((operation, value),)

    values = [(("x",),)]
    for target in range(1, 4):
        terms = [term for source in range(target) for term in applied(sample[f"{source}{target}"], values[source])]
        values.append(tuple(sorted(terms, key=repr)))
    return values[3]


@pytest.mark.slow
def test_the_whole_benchmark():
    space = trace(Cell())
    classes = defaultdict(set)
    merged, kept = set(), set()
    for sample in space.search_space.grid():
        classes[simplify(space.freeze(sample)).fingerprint()].add(expression(sample, units_end_zeros=False))
        merged.add(expression(sample, units_end_zeros=True))
        kept.add(expression(sample, units_end_zeros=False))
    assert (len(merged), len(kept), len(classes)) == (4930, 5545, 5880)
    assert all(len(expressions) == 1 for expressions in classes.values())


def test_there_are_six_edges_and_five_operations():
    assert sorted(combinations(range(4), 2), key=lambda edge: edge[::-1]) == EDGES
    assert trace(Cell()).search_space.size() == 15625
