"""Steps that run in some modes only: rules, simplification, fingerprints, documents, edits."""

import pytest

from raynas.errors import GraphError
from raynas.graph import Apply, Graph, Path, Unit
from raynas.graph.simplify import simplify
from raynas.graph.verify import verify

TRAIN, EVAL = (("training", True),), (("training", False),)
RELU, TANH = Unit("torch.nn.ReLU"), Unit("torch.nn.Tanh")


def branch(yes, no, *, yes_when=TRAIN, no_when=EVAL):
    """A linear layer, and behind it a unit in one mode and another in the other."""
    graph = Graph("Net", {"lin": Unit("torch.nn.Linear", (4, 4)), "yes": yes, "no": no})
    x = graph.add("input", "x")
    y = graph.add("module", "lin", (x,))
    one = graph.add("module", "yes", (y,), when=yes_when)
    other = graph.add("module", "no", (y,), when=no_when)
    graph.add("output", "output", (graph.add("select", "training", (one, other), name="either"),))
    return graph


def shown(graph):
    return [repr(node) for node in graph.nodes]


def test_equal_steps_of_both_ways_become_one():
    assert shown(simplify(branch(RELU, RELU))) == [
        "x = input x()",
        "lin = module lin(x)",
        "yes = module yes(lin)",
        "output = output output(yes)",
    ]
    assert shown(simplify(branch(RELU, TANH)))[2:] == [
        "yes = module yes(lin) if training",
        "no = module no(lin) if not training",
        "either = select training(yes, no)",
        "output = output output(either)",
    ]


def test_units_with_weights_of_their_own_stay_apart():
    linear = Unit("torch.nn.Linear", (4, 4)), Unit("torch.nn.Linear", (4, 4))
    assert len(simplify(branch(*linear)).nodes) == 6
    dropout = Unit("torch.nn.Dropout"), Unit("torch.nn.Dropout")
    assert len(simplify(branch(*dropout)).nodes) == 6


def test_a_step_stands_for_another_where_together_they_run_in_no_further_mode():
    graph = Graph("Net", {"lin": Unit("torch.nn.Linear", (4, 4)), "other": Unit("torch.nn.Linear", (4, 4))})
    x = graph.add("input", "x")
    deep = graph.add("function", "torch.relu", (x,), when=(*TRAIN, ("lin.training", True)))
    inner = graph.add("select", "lin.training", (deep, x), when=TRAIN)
    other = graph.add("function", "torch.relu", (x,), when=EVAL)
    graph.add("output", "output", (graph.add("select", "training", (inner, other)),))
    verify(graph)
    assert [node.when for node in simplify(graph).nodes if node.target == "torch.relu"] == [deep.when, EVAL]
    assert list(simplify(graph).members) == ["lin"]  # its mode is asked for


def test_in_a_mode_a_select_is_its_value():
    graph = branch(RELU, TANH)
    either = graph.nodes[-2]
    with graph.inserting_after(either):
        late = graph.call_function("torch.relu", (either,))
    late.when = TRAIN
    graph.nodes[-1].args = (either,)
    with graph.inserting_before(graph.nodes[-1]):
        again = graph.call_function("torch.neg", (either,))
        last = graph._new("select", "training", (late, again), None, "last", "selected")
    graph.nodes[-1].args = (last,)
    last.when = ()
    verify(graph)
    lines = shown(simplify(graph))
    assert "relu = function torch.relu(yes) if training" in lines
    assert "last = select training(relu, neg)" in lines


def test_identities_go_from_either_way():
    graph = simplify(branch(Unit("torch.nn.Identity"), Unit("torch.nn.Identity")))
    assert [node.op for node in graph.nodes] == ["input", "module", "output"]


def test_a_zero_of_one_way_goes_from_its_sums():
    graph = Graph("Net")
    x = graph.add("input", "x")
    zero = graph.add("function", "torch.zeros_like", (x,), when=TRAIN)
    total = graph.add("function", "operator.add", (x, zero), when=TRAIN)
    late = graph.add("function", "torch.zeros_like", (x,), name="late")
    graph.add("output", "output", (graph.add("select", "training", ((total, late), (late, x))),))
    simple = simplify(graph)
    verify(simple)
    assert [(node.target, node.when) for node in simple.nodes[1:-2]] == [("torch.zeros_like", ())]


def test_fingerprints_tell_the_ways_apart():
    graphs = [
        branch(RELU, TANH),
        branch(TANH, RELU),
        branch(RELU, RELU),
        branch(RELU, TANH, yes_when=()),
        branch(RELU, TANH, no_when=()),
        simplify(branch(RELU, RELU)),
    ]
    assert len({graph.fingerprint() for graph in graphs}) == len(graphs)
    for graph in graphs:
        again = Graph.from_json(graph.to_json())
        assert again.fingerprint() == graph.fingerprint() and shown(again) == shown(graph)


def test_a_branch_in_a_called_graph_counts_like_one_of_its_caller():
    inner = branch(RELU, TANH)
    outer = Graph("Outer", {"net": inner})
    x = outer.add("input", "x")
    outer.add("output", "output", (outer.add("graph", "net", (x,)),))
    assert outer.fingerprint() == inner.fingerprint()
    called = Graph("Outer", {"net": inner})
    x = called.add("input", "x")
    once = called.add("graph", "net", (x,), when=TRAIN)
    called.add("output", "output", (called.add("select", "training", (once, x)),))
    assert called.fingerprint() != outer.fingerprint()


@pytest.mark.parametrize("step", [".eval", ".requires_grad_"])
@pytest.mark.parametrize("path", ["net", "net.yes", ""])
def test_what_a_constructor_does_to_a_block_counts_for_all_that_stands_in_it(step, path):
    def outer(*setup):
        graph = Graph("Outer", {"net": branch(Unit("torch.nn.Dropout"), TANH)}, setup=setup)
        x = graph.add("input", "x")
        graph.add("output", "output", (graph.add("graph", "net", (x,)),))
        return graph

    args = () if step == ".eval" else (False,)
    changed = outer(Apply(step, (Path(path), *args)))
    assert changed.fingerprint() != outer().fingerprint()
    assert changed.fingerprint() == outer(Apply(step, (Path(path), *args))).fingerprint()


def test_a_step_may_use_only_what_runs_when_it_does():
    graph = branch(RELU, TANH)
    graph.nodes[-1].args = (graph.nodes[2],)
    with pytest.raises(GraphError, match=r"node 'output' .* uses 'yes', which only runs if training"):
        verify(graph)
    graph = branch(RELU, TANH)
    graph.nodes[-2].args = graph.nodes[-2].args[::-1]
    with pytest.raises(GraphError, match=r"node 'either' .* uses 'no', which only runs if not training"):
        verify(graph)


def test_new_steps_run_when_their_neighbours_do():
    graph = branch(RELU, TANH)
    yes, either = graph.nodes[2], graph.nodes[4]
    with graph.inserting_after(yes):
        assert graph.call_function("torch.neg", (yes,)).when == TRAIN
    between = graph.insert_on_edge(yes, either, "norm", Unit("torch.nn.LayerNorm", (4,)))
    assert between.when == TRAIN and either.args[0] is between
    verify(graph)
    graph.erase_node(graph.find(target="torch.neg")[0])
    assert graph.replace(between, Unit("torch.nn.Identity")).when == TRAIN
    graph.remove(between)
    assert either.args[0] is yes
    verify(graph)


def test_the_mode_of_a_layer_is_its_own():
    found = set()
    for path in ("training", "yes.training", "no.training"):
        graph = branch(RELU, TANH)
        for node in graph.nodes:
            node.when = tuple((path, value) for _, value in node.when)
        graph.nodes[4].target = path
        verify(graph)
        found.add(graph.fingerprint())
    assert len(found) == 3
