"""Equal fingerprints, equal networks: nothing is merged that differs, and nothing is missed that is the same."""

import itertools
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings

from raynas.graph import Graph, Unit

from .graphs import cell, cells, drawn_cells, unit


def fingerprint(build):
    graph = Graph("Net")
    x = graph.add("input", "x")
    result = build(graph, x)
    graph.add("output", "output", (result,))
    return graph.fingerprint()


def call(graph, name, kind, *args):
    if name not in graph.members:
        graph.members[name] = unit(kind) if isinstance(kind, str) else kind
    return graph.add("module", name, args)


@given(drawn_cells())
def test_the_order_in_which_a_network_is_written_down_makes_no_difference(drawn):
    edges, kinds, order = drawn
    assert cell(edges, kinds).fingerprint() == cell(edges, kinds, order).fingerprint()


@given(drawn_cells())
def test_one_more_edge_makes_another_network(drawn):
    edges, kinds, _ = drawn
    free = [(a, b) for b in range(1, len(kinds) + 2) for a in range(b) if (a, b) not in edges]
    for pair in free[:4]:
        assert cell(sorted([*edges, pair]), kinds).fingerprint() != cell(edges, kinds).fingerprint()


@given(drawn_cells())
@settings(max_examples=50)
def test_json_keeps_the_fingerprint(drawn):
    graph = cell(drawn[0], drawn[1])
    assert Graph.from_json(graph.to_json()).fingerprint() == graph.fingerprint()


@pytest.mark.parametrize(("vertices", "unique", "labelled"), [(2, 1, 1), (3, 7, 7), (4, 91, 97)])
def test_nas_bench_101_has_as_many_unique_cells_as_its_paper_counts(vertices, unique, labelled):
    found = [cell(*item).fingerprint() for size in range(2, vertices + 1) for item in cells(size)]
    assert (len(set(found)), len(found)) == (unique, labelled)


@pytest.mark.slow
def test_nas_bench_101_up_to_five_vertices():
    found = [cell(*item).fingerprint() for size in range(2, 6) for item in cells(size)]
    assert (len(set(found)), len(found)) == (2532, 3364)


def test_a_shared_unit_is_not_two_units():
    shared = fingerprint(
        lambda g, x: g.add("function", "operator.add", (call(g, "a", "conv1", x), call(g, "a", "conv1", x)))
    )
    double = fingerprint(
        lambda g, x: g.add("function", "operator.add", (call(g, "a", "conv1", x), call(g, "b", "conv1", x)))
    )
    assert shared != double


def test_which_of_two_places_shares_a_unit_counts():
    def net(second, third):
        def build(graph, x):
            a = call(graph, "a", "conv1", x)
            b = call(graph, second, "conv1", call(graph, "r", "relu", a))
            return call(graph, third, "conv1", b)

        return fingerprint(build)

    assert len({net("a", "c"), net("b", "a"), net("b", "b"), net("b", "c"), net("a", "a")}) == 5


def test_order_counts_where_a_function_is_not_commutative():
    def net(function, swap):
        def build(graph, x):
            left, right = call(graph, "a", "conv1", x), call(graph, "b", "conv3", x)
            return graph.add("function", function, (right, left) if swap else (left, right))

        return fingerprint(build)

    assert net("operator.sub", False) != net("operator.sub", True)
    assert net("operator.matmul", False) != net("operator.matmul", True)
    assert net("operator.add", False) == net("operator.add", True)
    assert net("operator.mul", False) == net("operator.mul", True)


@pytest.mark.parametrize("pairs", [False, True], ids=["one value", "a tuple"])
@pytest.mark.parametrize("number", [2, 0.5, True])
def test_a_number_may_stand_on_either_side_of_what_is_commutative(number, pairs):
    def net(function, swap, **more):
        def build(graph, x):
            found = graph.add("function", function, (number, x) if swap else (x, number), more)
            return (found, found) if pairs else found

        return fingerprint(build)

    assert net("operator.add", False) == net("operator.add", True) != net("torch.add", True)
    assert net("torch.mul", False) == net("torch.mul", True)
    assert net("operator.sub", False) != net("operator.sub", True)
    assert net("torch.add", False, alpha=2) != net("torch.add", True, alpha=2)


def test_joined_tuples_are_not_taken_for_sums():
    def net(swap):
        def build(graph, x):
            shape = graph.add("function", "builtins.getattr", (x, "shape"))
            head = graph.add("function", "operator.getitem", (shape, slice(None, 2, None)))
            tail = graph.add("function", "operator.getitem", (shape, slice(2, None, None)))
            return graph.add(
                "method", "view", (x, graph.add("function", "operator.add", (tail, head) if swap else (head, tail)))
            )

        return fingerprint(build)

    assert net(False) != net(True)


@pytest.mark.parametrize(
    "kinds",
    [
        [Unit("torch.nn.MaxPool2d", (size, 2, 0, 1, True)) for size in (2, 3)],
        [Unit("torch.nn.MaxPool1d", (size,), {"return_indices": True}) for size in (2, 3)],
        [Unit("torch.nn.AdaptiveMaxPool2d", (size, True)) for size in (2, 3)],
    ],
    ids=["by place", "by name", "adaptive"],
)
def test_pairs_of_values_and_indices_are_joined_in_their_order(kinds):
    def net(kinds):
        return fingerprint(
            lambda g, x: g.add("function", "operator.add", [call(g, f"p{i}", kind, x) for i, kind in enumerate(kinds)])
        )

    assert net(kinds) != net(kinds[::-1])


def chain(*terms, last=False):
    """What adds three terms up, the first two or the last two first; `terms` build them of two inputs."""

    def build(graph, x):
        y = graph.add("input", "y")
        one, two, three = (term(graph, x, y) for term in terms)
        inner = graph.add("function", "operator.add", (two, three) if last else (one, two))
        return graph.add("function", "operator.add", (one, inner) if last else (inner, three))

    return fingerprint(build)


def x_(graph, x, y):
    return x


def y_(graph, x, y):
    return y


def made(kind, of=x_):
    return lambda graph, x, y: call(graph, f"{kind}_{of.__name__}", kind, of(graph, x, y))


def done(op, target, of, *more):
    return lambda graph, x, y: graph.add(op, target, (of(graph, x, y), *more))


CONV, POOL, RELU = made("conv1"), made("pool"), made("relu", y_)


@pytest.mark.parametrize(
    "terms",
    [
        (x_, y_, done("function", "torch.relu", y_)),
        (done("function", "operator.gt", x_, 0), done("function", "operator.gt", y_, 0), CONV),
        (y_, done("method", "view", CONV, torch.int32), CONV),
    ],
    ids=["unknown", "booleans", "a view of another dtype"],
)
def test_a_chain_of_additions_is_no_sum_where_the_dtypes_may_differ(terms):
    assert chain(*terms) != chain(*terms, last=True)
    assert chain(*terms[::-1]) != chain(*terms[::-1], last=True)


@pytest.mark.parametrize(
    "terms",
    [
        (y_, CONV, done("function", "operator.mul", CONV, 2)),
        (x_, CONV, POOL),
        (y_, RELU, made("pool", RELU)),
        (CONV, done("method", "mean", CONV), done("function", "operator.gt", y_, 0)),
    ],
    ids=["one unknown", "what a convolution takes is floats", "of one dtype", "one of booleans"],
)
def test_a_chain_of_additions_is_a_sum_where_they_do_not(terms):
    for names in itertools.permutations(terms):
        assert chain(*names) == chain(*terms) == chain(*names, last=True)


def test_arguments_count():
    kinds = [Unit("torch.nn.Conv2d", (4, 4, 1), {"bias": b, "stride": s}) for b in (True, False) for s in (1, 2, 1.0)]
    assert len({fingerprint(lambda g, x, k=k: call(g, "a", k, x)) for k in kinds}) == 6


def test_names_do_not_count():
    def net(name):
        return fingerprint(lambda g, x: call(g, f"{name}2", "relu", call(g, name, "conv1", x)))

    assert net("first") == net("other")


def test_hierarchy_does_not_count():
    def block():
        graph = Graph("Block", {"conv": unit("conv1"), "relu": unit("relu")})
        x = graph.add("input", "x")
        x = graph.add("module", "relu", (graph.add("module", "conv", (x,)),))
        graph.add("output", "output", (x,))
        return graph

    def nested(graph, x):
        graph.members |= {"one": block(), "two": block()}
        return graph.add("graph", "two", (graph.add("graph", "one", (x,)),))

    def flat(graph, x):
        for name in ("a", "b"):
            x = call(graph, f"{name}r", "relu", call(graph, name, "conv1", x))
        return x

    assert fingerprint(nested) == fingerprint(flat)


def test_order_counts_once_something_is_written_in_place():
    def net(before):
        def build(graph, x):
            a = call(graph, "a", "conv1", x)
            if before:
                b = call(graph, "b", "conv3", a)
                graph.add("method", "add_", (a, 1.0))
            else:
                graph.add("method", "add_", (a, 1.0))
                b = call(graph, "b", "conv3", a)
            return graph.add("function", "operator.add", (a, b))

        return fingerprint(build)

    assert net(True) != net(False)


def test_many_equal_branches_do_not_take_for_ever():
    def build(graph, x):
        result = call(graph, "b0", "conv1", x)
        for i in range(1, 12):
            result = graph.add("function", "operator.add", (result, call(graph, f"b{i}", "conv1", x)))
        return result

    assert fingerprint(build) == fingerprint(build)


def test_the_fingerprint_is_the_same_in_every_process():
    code = (
        "from raynas.graph import Graph, Unit\n"
        "g = Graph('Net', {'a': Unit('torch.nn.Conv2d', (1, 2, 3), {'padding': 1, 'bias': False})})\n"
        "x = g.add('input', 'x'); g.add('output', 'output', (g.add('module', 'a', (x,)),))\n"
        "print(g.fingerprint())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": s}, capture_output=True, text=True, check=True
        ).stdout
        for s in ("0", "1")
    }
    assert len(found) == 1


def test_what_an_input_is_where_it_is_not_passed_counts():
    def block(default):
        graph = Graph("Block", {"linear": unit("norm")})
        x, scale = graph.add("input", "x"), graph.add("input", "scale", (default,))
        y = graph.add("module", "linear", (x,))
        graph.add("output", "output", (graph.add("function", "operator.mul", (y, scale)),))
        return graph

    def outer(inner):
        graph = Graph("Net", {"block": inner})
        x = graph.add("input", "x")
        graph.add("output", "output", (graph.add("graph", "block", (x,)),))
        return graph

    for make in (block, lambda default: outer(block(default)), lambda default: outer(outer(block(default)))):
        assert make(2).fingerprint() == make(2).fingerprint()
        assert len({make(default).fingerprint() for default in (2, 3, 2.0, None)}) == 4


def test_a_constant_that_a_graph_returns_counts():
    def outer(constant):
        inner = Graph("Constant")
        inner.add("input", "x")
        inner.add("output", "output", (constant,))
        graph = Graph("Net", {"inner": inner, "linear": unit("norm")})
        x = graph.add("input", "x")
        terms = (graph.add("module", "linear", (x,)), graph.add("graph", "inner", (x,)))
        graph.add("output", "output", (graph.add("function", "operator.add", terms),))
        return graph

    assert outer(2.0).fingerprint() == outer(2.0).fingerprint()
    assert len({outer(constant).fingerprint() for constant in (0.0, 2.0, 2, "x")}) == 4
