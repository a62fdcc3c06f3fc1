"""Mutators: what they do to a graph, what they leave alone, and the choices that they bring."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from rewriting import Block, Fill, Gate, Inside, Net, Skip
from torch import nn

from raynas import Graph, GraphSpace, Mutator, load_module, recording, to_source, trace
from raynas.errors import GraphError, RaynasError, SampleError, SpaceError
from raynas.graph import exploring, simplify
from raynas.pytorch.trace import WORKSHOP
from raynas.search_space import Value

X = torch.linspace(-1, 1, 8).reshape(2, 4)
TRUST = ["rewriting", "test_mutator", "tests"]


def act(mutate: Callable[[Any, Graph], None]) -> Mutator:
    """A mutator that does just this."""
    return type("Act", (Mutator,), {"mutate": mutate, "__module__": __name__})()


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)
        self.block = Block(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(self.b(self.a(x)))


def plain(*mutators: Mutator) -> GraphSpace:
    return trace(Plain, mutators=mutators)


def run(space: GraphSpace, sample: Mapping[str, Value] | None = None) -> torch.Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        output: torch.Tensor = load_module(to_source(space.freeze(sample)))(X)
    return output


def test_choices_join_those_of_the_model_with_their_conditions() -> None:
    space = trace(Net(), mutators=[Fill(), Skip(), Inside()]).search_space
    when = {domain.label: [[(c.label, c.values) for c in clause] for clause in domain.when] for domain in space}
    always: list[Any] = []
    assert when == {
        **dict.fromkeys(("kind", "skip0", "skip1", "inside0", "inside1", "width", "act"), always),
        "unit": [[("kind", ("unit",))]],
        "dropout": [[("kind", ("gate",))]],
    }
    assert space.size() == len(list(space.grid())) == 2**6 * (1 + 2 + 2)


def test_every_sample_is_a_model_of_its_own_and_the_base_stays() -> None:
    base = trace(Net())
    before = base.to_json()
    space = base.mutated([Fill(), Skip(), Inside()])
    again = GraphSpace.from_json(space.to_json(), trust=TRUST, workshop=WORKSHOP)
    assert again.search_space == space.search_space
    sources = set()
    for sample in list(space.search_space.grid())[::7]:
        source = to_source(space.freeze(sample))
        assert to_source(again.freeze(sample)) == source
        assert load_module(source)(X).shape == (2, 2)
        simple = simplify(space.freeze(sample))
        assert load_module(to_source(simple))(X).shape == (2, 2)
        sources.add(simple.fingerprint())
    assert len(sources) == len(list(space.search_space.grid())[::7])
    assert base.to_json() == before


def test_each_variant_tells_what_was_done_to_it() -> None:
    space = trace(Net(), mutators=[Fill(), Skip()])
    graph = space.freeze({"kind": "none", "skip0": True, "skip1": False, "width": 3, "act": "relu"})
    assert graph.history == [
        "Fill: kind = 'none'",
        "Fill: replaced 'middle' by second in 'head'",
        "Fill: erased 'middle'",
        "Skip: skip0 = True",
        "Skip: skip1 = False",
        "Skip: called torch.add as 'add'",
        "Skip: gave 'second' add instead of 'first'",
    ]
    assert Graph.from_json(graph.to_json()).history == graph.history == simplify(graph).history
    assert "middle" not in graph.members


def test_mutators_apply_in_their_order() -> None:
    def first(self: Any, graph: Graph) -> None:
        graph.insert_on_edge(*graph.find(target="a"), *graph.find(target="b"), "new", nn.ReLU())

    def second(self: Any, graph: Graph) -> None:
        for node in graph.find(type=nn.ReLU):
            graph.replace(node, nn.Tanh())

    assert "Tanh" in to_source(plain(act(first), act(second)).freeze())
    assert "ReLU" in to_source(plain(act(second), act(first)).freeze())


def test_insert_on_an_edge_replace_remove_and_add_an_input() -> None:
    def mutate(self: Any, graph: Graph) -> None:
        a, b = graph.find(type=nn.Linear)[:2]
        what = self.choose("what", ["insert", "replace", "remove", "input", "attribute", "method"])
        if what == "insert":
            graph.insert_on_edge(a, b, "gate", Gate(4))
        elif what == "replace":
            graph.replace(a, nn.Linear(4, 4, bias=False))
        elif what == "remove":
            graph.remove(b)
        elif what == "input":
            x = graph.inputs[0]
            with graph.inserting_before(b):
                joined = graph.call_function(torch.cat, ([a, x], 1))
            b.update_arg(0, joined)
            graph.replace(b, nn.Linear(8, 4))
        elif what == "attribute":
            with graph.inserting_after(b):
                weight = graph.get_attr("a.weight")
                total = graph.call_function("torch.matmul", (b, weight))
            for user in b.users:
                if user is not total:
                    user.replace_input_with(b, total)
        else:
            with graph.inserting_after(a):
                a.replace_all_uses_with(graph.call_method("neg", (a,)))

    space = plain(act(mutate))
    torch.manual_seed(0)
    original = Plain()
    with torch.no_grad():
        a, b, block = original.a, original.b, original.block
        outputs = {what: run(space, {"what": what}) for what in ("insert", "replace", "remove", "input")}
        assert len({tuple(output.flatten().tolist()) for output in outputs.values()}) == 4
        torch.testing.assert_close(run(space, {"what": "method"}), block(b(-a(X))))
        torch.testing.assert_close(run(space, {"what": "attribute"}), block(b(a(X)) @ a.weight))
    removed = space.freeze({"what": "remove"})
    assert list(removed.members) == ["a", "block"]
    assert list(space.freeze({"what": "replace"}).members) == ["a", "b", "block"]


def test_a_new_input_of_an_opened_module_is_passed_by_its_callers() -> None:
    def mutate(self: Any, graph: Graph) -> None:
        (call,) = graph.find(type=Block)
        block = graph.member(call.target)
        assert isinstance(block, Graph)
        extra = block.placeholder("extra")
        relu = block.find(target=torch.relu)[0]
        with block.inserting_before(relu):
            total = block.call_function(torch.add, (relu.args[0], extra))
        relu.update_arg(0, total)
        if self.choose("pass", [True, False]):
            call.insert_arg(1, graph.inputs[0])

    with pytest.raises(GraphError, match=r"mutator Act \(pass=False\): .*calling 'block' with 1 inputs, which has 2"):
        plain(act(mutate))


def test_a_choice_may_be_put_in() -> None:
    def mutate(self: Any, graph: Graph) -> None:
        from raynas import InputChoice, LayerChoice, Repeat

        a, b = graph.find(type=nn.Linear)[:2]
        op = LayerChoice({"gate": Gate(4), "pool": nn.Identity()}, label="op")
        new = graph.insert_on_edge(a, b, "op", Repeat(op, (1, 2), label="depth"))
        with graph.inserting_before(b):
            pick = graph.call_module("pick", (a, new), module=InputChoice(2, (1, 2), label="pick"))
        b.replace_input_with(new, pick)

    space = plain(act(mutate))
    assert [domain.label for domain in space.search_space] == ["depth", "op", "pick"]
    assert space.search_space.size() == 2 * 2 * 3
    for sample in space.search_space.grid():
        assert run(space, sample).shape == (2, 4)


class Deep(Mutator):
    """A choice that is asked for under two others only."""

    def mutate(self, graph: Graph) -> None:
        a, b = self.choose("a", [0, 1]), self.choose("b", [0, 1, 2])
        if a and b == 2:
            self.choose("c", ["x", "y"])


def test_a_choice_may_hang_on_two_others() -> None:
    space = plain(Deep()).search_space
    assert space.size() == 7
    assert [[(c.label, c.values) for c in clause] for clause in space["c"].when] == [[("a", (1,)), ("b", (2,))]]


class Many(Mutator):
    """More choices than can be tried in all combinations; some hang on others."""

    def __init__(self, hidden: bool = False) -> None:
        self.hidden = hidden

    def mutate(self, graph: Graph) -> None:
        picks = [self.choose(f"bit{i}", [0, 1]) for i in range(14)]
        if picks[3]:
            deep = self.choose("below3", ["x", "y", "z"])
            if deep == "z":
                self.choose("below_below3", [1, 2])
        if self.hidden and picks[5] and picks[6]:
            self.choose("both", [1, 2])


def test_many_choices_are_counted_without_trying_all_combinations() -> None:
    space = plain(Many())
    assert space.search_space.size() == 2**13 * (1 + 2 + 2)
    sample = {**{f"bit{i}": 0 for i in range(14)}, "bit3": 1, "below3": "z", "below_below3": 2}
    assert space.freeze(sample).history[-1] == "Many: below_below3 = 2"


def test_what_cannot_be_seen_without_trying_all_combinations_is_an_error() -> None:
    with pytest.raises(GraphError, match="whether 'both' is asked for hangs on a combination of other choices"):
        plain(Many(hidden=True))


def test_too_many_choices_that_hang_on_each_other_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exploring, "LIMIT", 4)
    with pytest.raises(GraphError, match=r"the choices .* of mutator Many hang on each other in more than 4 ways"):
        plain(Many())


def dangling(self: Any, graph: Graph) -> None:
    self.choose("how", [1, 2])
    (node,) = graph.find(target="a")
    graph.nodes.remove(node)


def cycle(self: Any, graph: Graph) -> None:
    (node,), (later,) = graph.find(target="a"), graph.find(target="b")
    node.update_arg(0, later)


def erased_too_early(self: Any, graph: Graph) -> None:
    graph.erase_node(*graph.find(target="a"))


def crashing(self: Any, graph: Graph) -> None:
    raise KeyError("x")


def unnamed(self: Any, graph: Graph) -> None:
    graph.call_module("nothing", (graph.inputs[0],))


def twice(self: Any, graph: Graph) -> None:
    self.choose("x", [1, 2])
    self.choose("x", [1, 3])


@pytest.mark.parametrize(
    ("mutate", "kind", "message"),
    [
        (dangling, GraphError, r"mutator Act \(how=1\): it leaves node 'b' of 'Plain' with a dangling input, 'a'"),
        (cycle, GraphError, r"mutator Act \(without a pick\): .*node 'a' of 'Plain'.* 'b', .*a cycle; insert"),
        (erased_too_early, GraphError, r"node 'a' of 'Plain' cannot be erased, because b use it: call node.replace"),
        (crashing, GraphError, r"mutator Act \(without a pick\) failed with KeyError: 'x': correct its mutate"),
        (unnamed, GraphError, r"mutator Act .*has no member 'nothing': add it with call_module"),
        (twice, SpaceError, r"mutator Act asks for 'x' to be one of 1, 3 \(.*test_mutator.py:\d+\), and it stands for"),
    ],
)
def test_a_broken_mutator_is_named_with_its_picks(mutate: Any, kind: type[RaynasError], message: str) -> None:
    with pytest.raises(kind, match=message):
        plain(act(mutate))


def test_two_choices_of_one_label_are_an_error() -> None:
    def mutate(self: Any, graph: Graph) -> None:
        self.choose("width", [1, 2])

    with pytest.raises(SpaceError, match=r"label 'width' stands for one of .* and for one of .*: give one of"):
        trace(Net(), mutators=[Fill(), act(mutate)])


def test_choosing_outside_of_mutate_is_an_error() -> None:
    with pytest.raises(GraphError, match="mutator Deep chooses 'a' outside of mutate"):
        Deep().choose("a", [1, 2])


class Moody(Mutator):
    """Depends on something else than its picks."""

    calls = 0

    def mutate(self, graph: Graph) -> None:
        type(self).calls += 1
        if type(self).calls > 1:
            self.choose("late", [1, 2])


def test_a_mutator_that_changes_its_mind_is_an_error() -> None:
    space = plain(Moody())
    with pytest.raises(SampleError, match=r"mutator Moody asks for 'late' .*, which it did not under these picks"):
        space.freeze({})


def test_a_placeholder_that_nobody_replaced_is_an_error() -> None:
    space = trace(Net())
    with pytest.raises(GraphError, match=r"the placeholder 'middle' is still there: pass raynas.trace a mutator"):
        space.freeze()
    with pytest.raises(SpaceError, match=r"rewriting.py:\d+: the placeholder 'middle' cannot run"):
        Net()(X)


def test_a_mutator_that_cannot_be_found_elsewhere_is_refused_when_it_is_written() -> None:
    class Local(Mutator):
        def mutate(self, graph: Graph) -> None:
            """Nothing."""

    space = plain(Local())
    with pytest.raises(GraphError, match=r"mutator Local cannot be written down: .*define it at the top level"):
        space.to_json()


def test_a_document_makes_trusted_mutators_only() -> None:
    text = trace(Net(), mutators=[Fill()]).to_json().replace("rewriting.Fill", "os.system")
    with pytest.raises(RaynasError, match=r"names 'os.system', which is not trusted"):
        GraphSpace.from_json(text, trust=["rewriting"])


def test_nobody_elses_random_numbers_are_drawn() -> None:
    space = trace(Net(), mutators=[Fill()])
    torch.manual_seed(3)
    before = torch.get_rng_state()
    space.freeze({"kind": "gate", "width": 3, "act": "relu", "dropout": 0.1})
    assert torch.equal(torch.get_rng_state(), before)


def test_what_no_mutator_touched_is_shared_with_the_base() -> None:
    """So that what was found out of it once, is known of it in all variants."""
    with recording():
        model = Plain()
    base = trace(model)
    variant = base.mutated([Deep()]).freeze({"a": 0, "b": 0})
    assert variant.members["block"] is base.graph.members["block"]
