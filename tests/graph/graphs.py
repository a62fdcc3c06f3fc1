"""Small graphs for the tests of the IR: made by hand, by enumeration, and at random."""

from itertools import combinations, product

from hypothesis import strategies as st

from raynas.graph import Graph, Unit

CONV = {k: Unit("torch.nn.Conv2d", (4, 4, k), {"padding": "same"}) for k in (1, 3)}
POOL = Unit("torch.nn.MaxPool2d", (3,), {"stride": 1, "padding": 1})
KINDS = ("conv1", "conv3", "pool")


def unit(kind):
    """A unit of its own: two calls give two units with parameters of their own."""
    return {
        "conv1": lambda: Unit("torch.nn.Conv2d", (4, 4, 1)),
        "conv3": lambda: Unit("torch.nn.Conv2d", (4, 4, 3), {"padding": 1}),
        "pool": lambda: POOL,
        "relu": lambda: Unit("torch.nn.ReLU"),
        "norm": lambda: Unit("torch.nn.BatchNorm2d", (4,)),
    }[kind]()


def total(graph, terms):
    """The sum of several values, added one by one."""
    result = terms[0]
    for term in terms[1:]:
        result = graph.add("function", "operator.add", (result, term))
    return result


def cell(edges, kinds, order=None):
    """A cell in the manner of NAS-Bench-101: vertex 0 is the input, the last one the output, others apply a unit.

    Args:
        edges: pairs (from, to), from < to.
        kinds: the units' kinds, for the vertices between.
        order: in which order vertices are written down and summed, where it is not the numbers'.
    """
    last = len(kinds) + 1
    graph = Graph("Cell")
    values = {0: graph.add("input", "x")}
    for vertex in [*(order or range(1, last)), last]:
        sources = sorted(
            (a for a, b in edges if b == vertex), key=lambda a: (order or list(range(last))).index(a) if a else -1
        )
        value = total(graph, [values[a] for a in sources])
        if vertex < last:
            graph.members[f"v{vertex}"] = unit(kinds[vertex - 1])
            value = graph.add("module", f"v{vertex}", (value,))
        values[vertex] = value
    graph.add("output", "output", (values[last],))
    return graph


def cells(vertices, most_edges=9):
    """Every cell with this number of vertices in which each vertex lies on a path from input to output."""
    pairs = list(combinations(range(vertices), 2))
    for bits in product((0, 1), repeat=len(pairs)):
        edges = [pair for pair, bit in zip(pairs, bits, strict=True) if bit]
        if len(edges) > most_edges:
            continue
        if all(any(b == v for _, b in edges) for v in range(1, vertices)) and all(
            any(a == v for a, _ in edges) for v in range(vertices - 1)
        ):
            for kinds in product(KINDS, repeat=vertices - 2):
                yield edges, kinds


@st.composite
def drawn_cells(draw):
    """A random cell, and an order in which it can also be written down."""
    vertices = draw(st.integers(3, 8))
    edges = {(draw(st.integers(0, b - 1)), b) for b in range(1, vertices)}
    edges |= {(a, draw(st.integers(a + 1, vertices - 1))) for a in range(vertices - 1)}
    kinds = draw(
        st.lists(
            st.sampled_from(("conv1", "conv3", "pool", "relu", "norm")), min_size=vertices - 2, max_size=vertices - 2
        )
    )
    waiting, order = set(range(1, vertices - 1)), []
    while waiting:
        ready = sorted(v for v in waiting if all(a == 0 or a in order for a, b in edges if b == v))
        order.append(draw(st.sampled_from(ready)))
        waiting.discard(order[-1])
    return sorted(edges), kinds, order
