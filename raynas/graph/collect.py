"""collect: the choices of a graph as strategies see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from raynas.errors import SpaceError
from raynas.graph.fixed import has_choice
from raynas.graph.graph import Graph
from raynas.graph.member import Choice, Member, Pick, Repeated, Shared, Tensor, Unit
from raynas.search_space import Condition, Domain, Expression, Leaf, SearchSpace
from raynas.search_space.clauses import Clause, reduced
from raynas.search_space.domain import same
from raynas.search_space.expression import leaves
from raynas.search_space.expression import token as token_of

Scope = Mapping[str, Member]


def collect(graph: Graph) -> SearchSpace:
    """The choices of a graph as domains; a choice inside a candidate or block counts when that one does.

    Raises:
        SpaceError: one label stands for two choices, or choices hang on each other.
    """
    found = Found()
    _Walk(found).visit(graph, (), {})
    return found.space()


class Found:
    """Choices by label, each with the alternatives under which it counts."""

    def __init__(self) -> None:
        self.domains: dict[str, Domain] = {}
        self.clauses: dict[str, dict[Clause, None]] = {}

    def note(self, domain: Domain, clause: Clause) -> None:
        """One place of a choice; the domain's own conditions are of no account."""
        label = domain.label
        known = self.domains.setdefault(label, domain)
        if known is not domain and known.to_json() != domain.to_json():
            raise SpaceError(
                f"label '{label}' stands for {known}{known.at} and for {domain}{domain.at}: "
                "give one of the two choices another label"
            )
        self.clauses.setdefault(label, {})[clause] = None

    def space(self) -> SearchSpace:
        """All that was noted, each choice behind those on which it hangs."""
        found = {label: domain for label in self.domains if (domain := self._domain(label)) is not None}
        return SearchSpace(_ordered(found))

    def _domain(self, label: str) -> Domain | None:
        clauses = self.clauses[label]
        when = () if () in clauses else reduced(clauses, self.domains)
        return None if when is None else replace(self.domains[label], when=when)


class _Walk:
    def __init__(self, found: Found) -> None:
        self.found = found

    def visit(self, member: Member, clause: Clause, scope: Scope) -> None:
        if isinstance(member, Unit):
            self.note(leaves_in(member), clause)
        elif isinstance(member, Tensor):
            if isinstance(member.value, Unit):
                self.visit(member.value, clause, scope)
        elif isinstance(member, Shared):
            if member.name in scope:
                self.visit(scope[member.name], clause, scope)
        elif isinstance(member, Graph):
            self.graph(member, clause, {**scope, **member.shared})
        elif isinstance(member, Pick):
            self.note(member.pick.leaves(), clause)
        elif isinstance(member, Choice):
            self.note(member.pick.leaves(), clause)
            for token, candidate in member.candidates.items():
                self.visit(candidate, _chosen(clause, member, token, candidate), scope)
        elif isinstance(member, Repeated):
            self.note(member.depth.leaves(), clause)
            for position, block in enumerate(member.blocks):
                self.visit(block, _deep(clause, member, position, block), scope)

    def graph(self, graph: Graph, clause: Clause, scope: Scope) -> None:
        for item in graph.members.values():
            self.visit(item, clause, scope)
        if graph.init:
            self.visit(graph.init, clause, scope)
        self.note(leaves(list(graph.attributes.values())), clause)
        for node in graph.nodes:
            values = (node.args, node.kwargs) if node.kwargs else node.args
            if has_choice(values):
                self.note(leaves(values), clause)

    def note(self, found: Iterator[Leaf] | list[Leaf], clause: Clause) -> None:
        for leaf in found:
            self.found.note(leaf.domain(), clause)


def leaves_in(unit: Unit) -> list[Leaf]:
    """The choices among a unit's arguments, and among those of the units in them."""
    found: list[Leaf] = []
    if not has_choice(unit):
        return found

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


def _inside(member: Member) -> set[str]:
    """The labels of all choices in a member."""
    found = Found()
    _Walk(found).visit(member, (), {})
    return set(found.domains)


def _chosen(clause: Clause, member: Choice, token: Any, candidate: Member) -> Clause:
    """`clause` and «the candidate `token` is taken»."""
    if isinstance(member.pick, Leaf):
        return (*clause, Condition(member.pick.named(), (token,)))
    return _where(clause, member.pick, lambda value: same(token_of(value), token), candidate)


def _deep(clause: Clause, member: Repeated, position: int, block: Member) -> Clause:
    """`clause` and «the depth is more than `position`»."""
    return _where(clause, member.depth, lambda depth: depth > position, block)


def _where(clause: Clause, expression: Expression, holds: Any, member: Member) -> Clause:
    """`clause` and «the expression's value is such that `member` is there»."""
    around = {leaf.named(): leaf for leaf in expression.leaves()}
    if not _inside(member) - set(around):
        return clause  # nothing in it that does not count anyway
    if len(around) > 1:
        raise SpaceError(
            f"{expression!r} hangs on {len(around)} choices, and other choices stand in what it decides: "
            "make it one ValueChoice"
        )
    for label, leaf in around.items():
        tokens = tuple(token for token, _ in leaf.options() if holds(expression.evaluate({label: token})))
        return (*clause, Condition(label, tokens))
    return clause


def _ordered(by_label: Mapping[str, Domain]) -> list[Domain]:
    """The domains, each behind those that its conditions name, else as they came."""
    done: dict[str, Domain] = {}

    def put(domain: Domain, above: tuple[str, ...]) -> None:
        if domain.label in above:
            raise SpaceError(f"the choices {' and '.join(above)} hang on each other: give one of them another label")
        for condition in (c for clause in domain.when for c in clause):
            if condition.label not in done:
                put(by_label[condition.label], (*above, domain.label))
        done.setdefault(domain.label, domain)

    for domain in by_label.values():
        put(domain, ())
    return list(done.values())
