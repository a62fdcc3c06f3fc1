"""GraphSpace: a graph with choices in it, and what becomes of it once they are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from raynas.errors import GraphError, SampleError, SpaceError
from raynas.graph.fixed import is_fixed
from raynas.graph.graph import Graph
from raynas.graph.kinds import ZEROS
from raynas.graph.member import Apply, Choice, Local, Make, Member, Pick, Repeated, Step, Tensor, Unit
from raynas.graph.node import Node, Op, nodes_in
from raynas.graph.setup import chosen_steps
from raynas.search_space import Condition, Domain, Expression, Leaf, Sample, SearchSpace, Value
from raynas.search_space.expression import evaluate, leaves

if TYPE_CHECKING:
    from torch import nn

Clause = tuple[Condition, ...]


class GraphSpace:
    """All the graphs that one model with choices stands for.

    Args:
        graph: the model, its choices unmade.
        build: makes a module of a frozen graph; `raynas.trace` hands it over.
    """

    def __init__(self, graph: Graph, build: Callable[[Graph], nn.Module] | None = None) -> None:
        self.graph = graph
        self._build = build

    def __repr__(self) -> str:
        return f"GraphSpace({self.graph.name!r}, {self.search_space!r})"

    @cached_property
    def search_space(self) -> SearchSpace:
        """The choices as strategies see them."""
        return collect(self.graph)

    def freeze(self, sample: Mapping[str, Value] | None = None) -> Graph:
        """The graph that `sample` stands for; without a sample, the default one.

        Raises:
            SampleError: a label is missing, unknown or out of its domain.
        """
        chosen = self.search_space.default() if sample is None else sample
        self.search_space.validate(chosen)
        return _without_words(_frozen_graph(self.graph, chosen))

    def build(self, sample: Mapping[str, Value] | None = None) -> nn.Module:
        """The module that `sample` stands for, with fresh weights."""
        if self._build is None:
            raise GraphError("this space was read from a document and cannot build: use load_module(to_source(graph))")
        return self._build(self.freeze(sample))

    def units(self) -> list[str]:
        """Qualified names of all classes and functions that its graphs name, sorted."""
        return sorted({name for graph in self.graph.subgraphs() for name in names_in(graph)})

    def to_json(self) -> str:
        return self.graph.to_json()

    @classmethod
    def from_json(
        cls, text: str, build: Callable[[Graph], nn.Module] | None = None, trust: Sequence[str] = ()
    ) -> GraphSpace:
        """The space that `to_json` wrote; `trust` is that of `Graph.from_json`."""
        return cls(Graph.from_json(text, trust), build)


def names_in(graph: Graph) -> set[str]:
    """Qualified names of the classes and functions that stand directly in a graph."""
    found = {node.target for node in graph.nodes if node.op == "function"}

    def visit(value: Any) -> None:
        if isinstance(value, Unit):
            found.add(value.target)
            visit((value.args, dict(value.kwargs)))
        elif isinstance(value, Tensor):
            visit(value.value)
        elif isinstance(value, Choice):
            for item in value.candidates.values():
                visit(item)
        elif isinstance(value, Repeated):
            visit(value.blocks)
        elif isinstance(value, Leaf):
            visit(value.candidates)
        elif isinstance(value, Expression):
            visit(value.args)
        elif isinstance(value, tuple | list):
            for item in value:
                visit(item)
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            found.add(f"{value.__module__}.{value.__qualname__}")

    for member in [*graph.members.values(), *graph.shared.values(), graph.init]:
        visit(member)
    for step in graph.setup:
        if isinstance(step, Apply):
            found.add(step.target)
    for node in graph.nodes:
        visit((node.args, node.kwargs))
    return found


def _frozen_graph(graph: Graph, sample: Mapping[str, Value]) -> Graph:
    """A copy of `graph` with its choices made; the graph itself where it has none."""
    if is_fixed(graph):
        return graph
    members = {name: _frozen(member, sample) for name, member in graph.members.items()}
    shared = {name: _frozen(member, sample) for name, member in graph.shared.items()}
    init = graph.init and _frozen_unit(graph.init, sample)
    frozen = Graph(graph.name, members, [], graph.base, shared, init, _frozen_setup(graph, sample))
    frozen.attributes = {name: evaluate(item, sample) for name, item in graph.attributes.items()}
    made: dict[int, Any] = {}

    def value(item: Any) -> Any:
        if isinstance(item, Node):
            return made[id(item)]
        if isinstance(item, Expression):
            return evaluate(item, sample)
        if isinstance(item, tuple):
            return tuple(map(value, item))
        if isinstance(item, list):
            return list(map(value, item))
        if isinstance(item, dict):
            return {key: value(part) for key, part in item.items()}
        if isinstance(item, slice):
            return slice(value(item.start), value(item.stop), value(item.step))
        return item

    for node in graph.nodes:
        args, kwargs, op = value(node.args), value(node.kwargs), node.op
        if op == "choice":
            member = graph.member(node.target)
            if isinstance(member, Pick):
                made[id(node)] = _picked(frozen, node.name, member, args, sample)
                continue
            op = called_as(frozen.member(node.target))
            if op == "graph":  # an opened candidate takes the values only; what was fixed is in its steps
                args, kwargs = tuple(map(value, nodes_in((node.args, node.kwargs)))), {}
        if op == "module" and _zero(frozen.member(node.target)):
            made[id(node)] = copy = Node(node.name, "function", "torch.zeros_like", args, kwargs)
        else:
            made[id(node)] = copy = Node(node.name, op, node.target, args, kwargs)
        frozen.nodes.append(copy)
    return frozen


def _zero(member: Member) -> bool:
    return isinstance(member, Unit) and member.target in ZEROS


def _without_words(graph: Graph) -> Graph:
    """The frozen graph, all the way down, without the members that its steps no longer call."""
    for name, member in list(graph.members.items()):
        if isinstance(member, Pick) or _zero(member):
            del graph.members[name]
        elif isinstance(member, Graph) and not is_fixed(member):
            _without_words(member)
    return graph


def _frozen_setup(graph: Graph, sample: Mapping[str, Value]) -> list[Step]:
    """The constructor's steps that are about what the sample chooses."""
    if not graph.setup:
        return []
    gone = {name for name, member in graph.members.items() if isinstance(member, Pick)}
    steps = chosen_steps(graph, lambda pick: _token(pick, sample), lambda member: _depth(member, sample), {})
    return [step for step in steps if not (isinstance(step, Make) and step.name in gone)]


def called_as(member: Member) -> Op:
    """The op of a node that calls this member."""
    return "module" if isinstance(member, Unit) else "graph" if isinstance(member, Graph) else "choice"


def _frozen(member: Member, sample: Mapping[str, Value]) -> Member:
    if isinstance(member, Unit):
        return _frozen_unit(member, sample)
    if isinstance(member, Graph):
        return _frozen_graph(member, sample)
    if isinstance(member, Tensor):
        value = member.value
        return member if isinstance(value, Local) else replace(member, value=_frozen_unit(value, sample))
    if isinstance(member, Choice):
        return _frozen(member.candidates[_token(member.pick, sample)], sample)
    if isinstance(member, Repeated):
        return _chain([_frozen(block, sample) for block in member.blocks[: _depth(member, sample)]])
    return member


def _frozen_unit(unit: Unit, sample: Mapping[str, Value]) -> Unit:
    if not any(True for _ in leaves_in(unit)):
        return unit

    def value(item: Any) -> Any:
        return _frozen_unit(item, sample) if isinstance(item, Unit) else evaluate(item, sample)

    return Unit(unit.target, tuple(map(value, unit.args)), {key: value(item) for key, item in unit.kwargs.items()})


def _token(pick: Leaf, sample: Mapping[str, Value]) -> Value:
    try:
        return sample[pick.named()]
    except KeyError:
        raise SampleError(f"the sample leaves out '{pick.label}': give it one of {list(pick.tokens)}") from None


def _depth(member: Repeated, sample: Mapping[str, Value]) -> int:
    depth = member.depth.evaluate(sample)
    if not isinstance(depth, int) or not 0 <= depth <= len(member.blocks):
        raise SpaceError(f"{member.depth!r} gives the depth {depth!r}: give a whole number up to {len(member.blocks)}")
    return depth


def _chain(blocks: Sequence[Member]) -> Graph:
    """Modules one after the other, as `nn.Sequential` runs them."""
    graph = Graph("Sequential", {str(i): block for i, block in enumerate(blocks)}, [], "torch.nn.Sequential")
    last = graph.add("input", "x", name="x")
    for name, block in list(graph.members.items()):
        if _zero(block):
            last = graph.add("function", "torch.zeros_like", (last,), name=f"x_{name}")
        else:
            last = graph.add(called_as(block), name, (last,), name=f"x_{name}")
    graph.add("output", "output", (last,))
    return graph


def _picked(graph: Graph, name: str, member: Pick, inputs: tuple[Any, ...], sample: Mapping[str, Value]) -> Any:
    """What an input choice gives: one of its inputs, or the nodes that reduce several."""
    token = _token(member.pick, sample)
    chosen = [inputs[i] for i in (token if isinstance(token, tuple) else (token,))]  # type: ignore[index]  # positions
    if member.reduction == "none":
        return tuple(chosen)
    if len(chosen) == 1:
        return chosen[0]
    if member.reduction == "concat":
        return graph.add("function", "torch.cat", (chosen, 1), name=name)
    total = chosen[0]
    for item in chosen[1:]:
        total = graph.add("function", "operator.add", (total, item), name=name)
    if member.reduction == "mean":
        total = graph.add("function", "operator.truediv", (total, len(chosen)), name=name)
    return total


def leaves_in(unit: Unit) -> list[Leaf]:
    """The choices among a unit's arguments, and among those of the units in them."""
    found: list[Leaf] = []

    def visit(item: Any) -> None:
        if isinstance(item, Unit):
            visit((item.args, dict(item.kwargs)))
        elif isinstance(item, tuple | list):
            for part in item:
                visit(part)
        elif isinstance(item, dict):
            for part in item.values():
                visit(part)
        else:
            found.extend(leaves(item))

    visit(unit)
    return found


def collect(graph: Graph) -> SearchSpace:
    """The choices of a graph as domains; a choice inside a candidate or block counts when that one does."""
    found: dict[str, tuple[Leaf, set[Clause]]] = {}

    def note(leaf: Leaf, clause: Clause) -> None:
        label = leaf.named()
        known, clauses = found.setdefault(label, (leaf, set()))
        if known is not leaf and known.domain() != leaf.domain():
            raise SpaceError(
                f"label '{label}' stands for {list(known.tokens)} and for {list(leaf.tokens)}: "
                "give one of the two choices another label"
            )
        clauses.add(clause)

    def visit(member: Member, clause: Clause) -> None:
        if isinstance(member, Unit):
            for leaf in leaves_in(member):
                note(leaf, clause)
        elif isinstance(member, Tensor):
            if isinstance(member.value, Unit):
                visit(member.value, clause)
        elif isinstance(member, Graph):
            for item in [*member.shared.values(), *member.members.values(), *([member.init] if member.init else [])]:
                visit(item, clause)
            for node in member.nodes:
                for leaf in leaves([list(node.args), node.kwargs]):
                    note(leaf, clause)
        elif isinstance(member, Pick):
            note(member.pick, clause)
        elif isinstance(member, Choice):
            note(member.pick, clause)
            for token, candidate in member.candidates.items():
                visit(candidate, (*clause, Condition(member.pick.named(), (token,))))
        elif isinstance(member, Repeated):
            for leaf in member.depth.leaves():
                note(leaf, clause)
            for position, block in enumerate(member.blocks):
                visit(block, _with_depth(clause, member, position))

    visit(graph, ())
    return SearchSpace(_ordered([_domain(leaf, clauses) for leaf, clauses in found.values()]))


def _domain(leaf: Leaf, clauses: set[Clause]) -> Domain:
    if () in clauses:
        return leaf.domain()
    return leaf.domain(tuple(sorted(clauses, key=repr)))


def _with_depth(clause: Clause, member: Repeated, position: int) -> Clause:
    """`clause` and «the depth is more than `position`»."""
    around = {leaf.named(): leaf for leaf in member.depth.leaves()}
    if len(around) > 1:
        raise SpaceError(f"a depth of {member.depth!r} hangs on {len(around)} choices: make it one ValueChoice")
    if not around:
        return clause
    (label, leaf), *_ = around.items()
    deep = tuple(t for t in leaf.tokens if _depth(member, Sample({label: t})) > position)
    return clause if len(deep) == len(leaf.tokens) else (*clause, Condition(label, deep))


def _ordered(domains: list[Domain]) -> list[Domain]:
    """The domains, each behind those that its conditions name, else as they came."""
    by_label = {domain.label: domain for domain in domains}
    done: dict[str, Domain] = {}

    def put(domain: Domain, above: tuple[str, ...]) -> None:
        if domain.label in above:
            raise SpaceError(f"the choices {' and '.join(above)} hang on each other: give one of them another label")
        for condition in (c for clause in domain.when for c in clause):
            if condition.label not in done:
                put(by_label[condition.label], (*above, domain.label))
        done.setdefault(domain.label, domain)

    for domain in domains:
        put(domain, ())
    return list(done.values())
